"""Points that a checkout holds are seen, and freed where the till forgot them."""

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from loyalty import holds
from tests.loyalty.holding import give, hold, stands

Hold = apps.get_model("loyalty", "Hold")


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def forgotten(ana, now):
    """A hold of 40 of Ana's 100 points, of a till that lost its power."""
    give(ana, 100, now, "A-1")
    return hold(ana, 40, now, "H-1").hold


def page(name, *args):
    return reverse(f"admin:loyalty_hold_{name}", args=args)


def test_a_hold_is_shown_with_whose_points_it_holds(desk, forgotten, ana):
    shown = desk.get(page("changelist")).content.decode()

    assert "H-1" in shown
    assert str(ana) in shown


def test_staff_free_the_points_of_a_hold(desk, forgotten, ana, now):
    sure = desk.get(page("cancel", forgotten.id))
    done = desk.post(page("cancel", forgotten.id), {"is_sure": "on"}, follow=True)

    assert sure.status_code == 200
    assert "free again" in done.content.decode()
    assert Hold.objects.get().status == "cancelled"
    assert stands(ana, now) == (100, 0, 100)


def test_a_used_hold_stays_used(desk, forgotten, cafe, now):
    holds.capture(merchant=cafe, hold_id=forgotten.id, at=now)

    answer = desk.post(page("cancel", forgotten.id), {"is_sure": "on"})

    assert answer.status_code in (200, 302, 403, 404)
    assert Hold.objects.get().status == "captured"


def test_the_list_of_holds_asks_once_however_many_there_are(
    desk, forgotten, ana, now, django_assert_max_num_queries
):
    for number in range(5):
        holds.create(customer=ana, points=1, reference=f"H-{number + 2}", at=now)
    desk.get(page("changelist"))

    with django_assert_max_num_queries(9):
        desk.get(page("changelist"))
