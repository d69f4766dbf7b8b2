"""The cast of the tests: a cafe with its people and till, a clock, and always an outsider."""

from datetime import UTC, datetime

import pytest
from rest_framework.test import APIClient

from customers.identifiers import Given
from loyalty import members, programs
from loyalty.models import EarningRule, Program, Tier, TierSet
from loyalty.sale import Sale
from merchants import keys
from merchants.models import Merchant, Role, Staff

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def open_shop(slug, name, **more):
    """A shop that gives 1 point per euro, with Bronze, Silver at 500 points (x1.25) and Gold at 2000 (x1.5)."""
    merchant = Merchant.objects.create(
        slug=slug, name=name, currency="EUR", timezone="Europe/Lisbon", country="PT", is_test=True, **more
    )
    program = Program.objects.create(merchant=merchant, name=f"{name} Club", points_name="beans")
    tier_set = TierSet.objects.create(
        merchant=merchant,
        program=program,
        status="live",
        metric="points_earned",
        window="rolling_days",
        window_days=365,
    )
    for level, at, multiplier in (("Bronze", 0, "1"), ("Silver", 500, "1.25"), ("Gold", 2000, "1.5")):
        Tier.objects.create(merchant=merchant, tier_set=tier_set, name=level, at=at, multiplier=multiplier)
    EarningRule.objects.create(
        merchant=merchant,
        program=program,
        code="base",
        kind="per_amount",
        params={"points": 1, "per_minor": {"EUR": 100}},
    )
    programs.publish(program=program, at=NOON.replace(year=2025), by="test")
    merchant.refresh_from_db()
    return merchant


@pytest.fixture
def noon():
    return NOON


@pytest.fixture
def cafe(db):
    """A café in Lisbon: a sandbox, so that tests may say what time it is."""
    return open_shop("cafe-mira", "Café Mira")


@pytest.fixture
def program(cafe):
    return cafe.programs.get()


@pytest.fixture
def ana(cafe, noon):
    """Ana, a member of the café's club with no points yet."""
    return members.enroll(
        merchant=cafe,
        name="Ana",
        identifiers=[
            Given("email", "ana@example.com"),
            Given("phone", "+351912345678"),
            Given("card", "4000000001"),
        ],
        at=noon,
        by="test",
    )


@pytest.fixture
def bar_nilo(db):
    """Another merchant, who must never see anything of the café."""
    return open_shop("bar-nilo", "Bar Nilo")


@pytest.fixture
def bo(bar_nilo, noon):
    """A customer of the other merchant."""
    return members.enroll(
        merchant=bar_nilo, name="Bo", identifiers=[Given("email", "bo@example.com")], at=noon, by="test"
    )


def client_of(merchant, **more):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {keys.issue(merchant=merchant, **more)}")
    return client


@pytest.fixture
def till(cafe):
    """The café's till: an API client that holds its key."""
    return client_of(cafe)


@pytest.fixture
def outsider_till(bar_nilo):
    return client_of(bar_nilo)


def staff_of(merchant, kind):
    staff = Staff.objects.create_user(f"{kind}-{merchant.slug}", password="open sesame", is_staff=True)
    Role.objects.create(merchant=merchant, staff=staff, kind=kind)
    return staff


@pytest.fixture
def owner(cafe):
    return staff_of(cafe, "owner")


@pytest.fixture
def manager(cafe):
    return staff_of(cafe, "manager")


@pytest.fixture
def cashier(cafe):
    return staff_of(cafe, "cashier")


@pytest.fixture
def analyst(cafe):
    return staff_of(cafe, "analyst")


@pytest.fixture
def sale(noon, ana):
    """`sale(1299)` is a sale of 12.99 EUR to Ana; say more to change it."""
    count = iter(range(1, 10_000))

    def make(amount_minor=1299, **more):
        said = {
            "reference": f"R-{next(count)}",
            "currency": "EUR",
            "occurred_at": noon,
            "customer_id": ana.pk,
        }
        return Sale(amount_minor=amount_minor, **{**said, **more})

    return make
