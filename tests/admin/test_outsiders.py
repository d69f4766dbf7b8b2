"""A row of another merchant is not found: in every page, list, choice and action of every registered table."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.urls import reverse

from lib.admin import ScopedAdmin, path_to_merchant
from tests.admin.conftest import row_of, scoped_models

MISSING = 7
TABLES = sorted(scoped_models())


def page_of(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def answer(browser, address, **said):
    """What the browser gets, without what differs because the id is named in it."""
    response = browser.post(address, said) if said else browser.get(address)
    return response.status_code, response.headers.get("Location", "")


def listed(page):
    """The rows of a list; a report is a page of figures in the place of one."""
    return page.context["cl"].result_list if "cl" in page.context else ()


@pytest.fixture
def theirs(next_door):
    return {label: row_of(next_door, model) for label, model in scoped_models().items()}


# The timetable is everybody's, but what waits is counted for the reader's merchants: tests/config/test_periodic.py.
OF_NOBODY = {"config.PeriodicTask"}


def test_every_table_is_scoped_or_only_for_superusers(desk):
    for model, page in admin.site._registry.items():
        assert isinstance(page, ScopedAdmin), f"{model._meta.label}: use lib.admin.ConfigAdmin or FactAdmin"
        if path_to_merchant(model) is None and model._meta.label not in OF_NOBODY:
            assert desk.get(page_of(model, "changelist")).status_code == 403, model._meta.label


@pytest.mark.parametrize("label", TABLES)
@pytest.mark.parametrize("page", ["change", "delete", "history"])
def test_another_merchants_page_is_like_a_missing_one(desk, cafe, theirs, label, page):
    model = scoped_models()[label]

    there = answer(desk, page_of(model, page, theirs[label].pk))
    missing = answer(desk, page_of(model, page, MISSING))

    assert there == missing
    assert there[0] in (302, 403, 404)


@pytest.mark.parametrize("label", TABLES)
def test_another_merchants_doors_are_like_missing_ones(desk, cafe, theirs, label):
    model = scoped_models()[label]
    for door in admin.site._registry[model].doors:
        for said in ({}, {"is_sure": "1"}):
            there = answer(desk, page_of(model, door.name, theirs[label].pk), **said)
            missing = answer(desk, page_of(model, door.name, MISSING), **said)
            assert there == missing, door.name
            assert there[0] in (302, 403, 404)


@pytest.mark.parametrize("label", TABLES)
def test_the_list_shows_no_row_of_another_merchant(desk, cafe, ana, theirs, label):
    model, row = scoped_models()[label], theirs[label]

    page = desk.get(page_of(model, "changelist"))

    assert page.status_code == 200
    assert page_of(model, "change", row.pk) not in page.content.decode()
    assert all(one.pk != row.pk for one in listed(page))


@pytest.mark.parametrize("label", TABLES)
def test_no_search_finds_a_row_of_another_merchant(desk, cafe, bo, theirs, label):
    model, row = scoped_models()[label], theirs[label]
    said = [str(row), getattr(row, "public_id", "-"), getattr(row, "reference", "-"), "bo@example.com", "Bo"]

    for text in said:
        page = desk.get(page_of(model, "changelist"), {"q": text})
        assert page.status_code in (200, 302), text
        assert str(row.pk) not in page.headers.get("Location", "")
        if page.status_code == 200:
            assert all(one.pk != row.pk for one in listed(page)), text


@pytest.mark.parametrize("label", TABLES)
def test_no_action_reaches_a_row_of_another_merchant(desk, rf, owner, cafe, theirs, label):
    model, row = scoped_models()[label], theirs[label]
    before = type(row)._default_manager.filter(pk=row.pk).values().get()
    request = rf.get("/")
    request.user = owner

    for action in admin.site._registry[model].get_actions(request):
        said = {"action": action, ACTION_CHECKBOX_NAME: [str(row.pk)], "post": "yes"}
        assert desk.post(page_of(model, "changelist"), said).status_code in (200, 302)

    assert type(row)._default_manager.filter(pk=row.pk).values().get() == before


@pytest.mark.parametrize("label", TABLES)
def test_no_choice_of_a_form_is_a_row_of_another_merchant(desk, rf, owner, cafe, theirs, label):
    model = scoped_models()[label]
    request = rf.get("/", {"kind": "per_amount"})
    request.user = owner
    page = admin.site._registry[model]
    if not page.has_change_permission(request):
        return  # facts have no form

    for name, field in page.get_form(request).base_fields.items():
        for choice in getattr(field, "queryset", []):
            own = choice if choice == cafe else getattr(choice, "merchant", None)
            assert own == cafe, f"{name} offers {choice} of {own}"


@pytest.mark.parametrize("label", TABLES)
def test_autocomplete_offers_no_row_of_another_merchant(desk, cafe, theirs, label):
    model = scoped_models()[label]
    for field in model._meta.fields:
        if field.is_relation and field.related_model in admin.site._registry:
            asked = {
                "app_label": model._meta.app_label,
                "model_name": model._meta.model_name,
                "field_name": field.name,
                "term": "",
            }
            response = desk.get(reverse("admin:autocomplete"), asked)
            if response.status_code == 200:
                offered = {int(one["id"]) for one in response.json()["results"]}
                row = theirs.get(field.related_model._meta.label)
                assert row is None or row.pk not in offered


@pytest.mark.parametrize("label", TABLES)
def test_no_old_version_of_another_merchants_row_is_shown(desk, cafe, theirs, label):
    model, row = scoped_models()[label], theirs[label]
    if hasattr(model, "history"):
        version = model.history.filter(**{model._meta.pk.attname: row.pk}).first()
        address = page_of(model, "simple_history", row.pk, version.history_id)
        assert desk.get(address).status_code == 404
        assert desk.post(address, {"name": "mine"}).status_code == 404


def test_a_rule_cannot_be_moved_to_another_merchants_program(desk, cafe, next_door):
    said = {
        "program": next_door.programs.get().pk,
        "code": "steal",
        "is_active": "on",
        "set_points": "1",
        "set_per_minor_0": "EUR",
        "set_per_minor_1": "1.00",
    }

    page = desk.post("/admin/loyalty/earningrule/add/?kind=per_amount", said)

    assert page.status_code == 200
    assert "Select a valid choice" in page.content.decode()
    assert not next_door.programs.get().rules.filter(code="steal").exists()


def test_a_key_is_not_issued_for_another_merchant(desk, cafe, next_door):
    before = next_door.api_keys.count()

    desk.post(
        "/admin/merchants/apikey/add/",
        {"merchant": next_door.pk, "name": "mine", "scopes": ["customers:read"]},
    )

    assert next_door.api_keys.count() == before
    assert cafe.api_keys.filter(name="mine").exists()


def test_the_start_page_counts_only_the_own_shop(desk, cafe, ana, next_door):
    page = desk.get("/admin/").content.decode()

    assert "Purchases wait for their customer" not in page
    # As a word: a form's token holds any two letters sooner or later.
    assert not re.search(r"\bBo\b", page)
