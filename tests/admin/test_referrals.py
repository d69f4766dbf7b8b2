"""The review queue: staff say yes or no, with a reason, and the points follow."""

import pytest

from customers import referrals as claims
from customers.identifiers import Given
from customers.models import Referral
from customers.referrals import Claim
from loyalty import members
from loyalty.models import Program
from tests.cast import NOON
from tests.loyalty.bringing import buy, offer, points

pytestmark = pytest.mark.django_db


@pytest.fixture
def doubtful(cafe, ana):
    offer(cafe)
    claims.saw(customer=ana, at=NOON, address="192.0.2.7")
    rui = members.enroll(
        merchant=cafe,
        name="Rui",
        identifiers=[Given("card", "42")],
        at=NOON,
        by="till",
        claim=Claim(ana.referral_code, address="192.0.2.7"),
    )
    buy(rui)
    return Referral.objects.get()


def page(one, name="change"):
    return f"/admin/customers/referral/{one.pk}/{name}/"


def test_the_queue_is_on_the_start_page_and_says_what_is_doubtful(desk, doubtful):
    start = desk.get("/admin/").content.decode()
    queue = desk.get("/admin/customers/referral/?state__exact=flagged").content.decode()
    shown = desk.get(page(doubtful)).content.decode()

    assert "Referrals wait for a decision" in start
    assert "as in a household" in queue
    for text in ("Ana", "Rui", "as in a household", "Approve", "Reject"):
        assert text in shown


def test_a_yes_pays_both(desk, doubtful, ana):
    assert desk.get(page(doubtful, "approve")).status_code == 200

    answer = desk.post(page(doubtful, "approve"), {"is_sure": "on"})

    assert answer.status_code == 302
    doubtful.refresh_from_db()
    assert (doubtful.state, doubtful.decided_by) in {
        ("qualified", "owner-cafe-mira"),
        ("rewarded", "owner-cafe-mira"),
    }
    assert points(ana)[0] + points(ana)[1] == 200


def test_a_no_needs_a_reason(desk, doubtful, ana):
    assert desk.post(page(doubtful, "reject"), {"reason": ""}).status_code == 200
    doubtful.refresh_from_db()
    assert doubtful.state == "flagged"

    desk.post(page(doubtful, "reject"), {"reason": "Both are Ana"})

    doubtful.refresh_from_db()
    assert (doubtful.state, doubtful.reason) == ("rejected", "Both are Ana")
    assert points(ana) == (0, 0)
    assert "Approve" not in desk.get(page(doubtful)).content.decode()


def test_what_has_ended_is_refused_in_words(desk, doubtful):
    Referral.objects.update(state="expired")

    answer = desk.post(page(doubtful, "approve"), {"is_sure": "on"})

    assert "nothing to approve" in answer.content.decode()


@pytest.mark.parametrize("door", ["approve", "reject"])
def test_the_counter_sees_but_does_not_decide(sit_down, cashier, analyst, doubtful, door):
    for staff in (cashier, analyst):
        browser = sit_down(staff)
        assert browser.get(page(doubtful)).status_code == 200
        assert browser.post(page(doubtful, door), {"is_sure": "on", "reason": "x"}).status_code == 403
    doubtful.refresh_from_db()
    assert doubtful.state == "flagged"


def test_the_form_token_is_asked_for(owner, doubtful):
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)

    assert browser.post(page(doubtful, "approve"), {"is_sure": "on"}).status_code == 403


def test_what_a_friend_is_worth_is_edited_with_the_program(desk, cafe, program):
    address = f"/admin/loyalty/program/{program.pk}/change/"
    form = desk.get(address).context["adminform"].form
    said = {name: "" if value is None else value for name, value in form.initial.items()}

    answer = desk.post(
        address, said | {"referrer_points": 300, "friend_points": 50, "cap_per_month": 5, "is_active": "on"}
    )

    assert answer.status_code == 302, answer.context["errors"]
    told = Program.objects.get(pk=program.pk).extras["referral"]
    assert told == {"referrer_points": 300, "friend_points": 50, "min_amount_minor": 0, "cap_per_month": 5}
    cafe.refresh_from_db()
    from loyalty import referrals

    assert referrals.terms(merchant=cafe).cap_per_month == 5
    assert desk.get(address).context["adminform"].form["referrer_points"].value() == 300
    desk.post(address, said | {"referrer_points": "", "is_active": "on"})
    assert "referral" not in Program.objects.get(pk=program.pk).extras
