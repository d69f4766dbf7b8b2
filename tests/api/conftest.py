"""What the tests of the API share: the till says what time it is, so that every test happens at noon."""

import pytest

from api import stores, throttles

V1 = "/api/v1"


@pytest.fixture(autouse=True)
def _forget():
    """Leases of rate limits and known stores of one test are not the next one's."""
    throttles.clear()
    stores.forget()


@pytest.fixture
def till(till, noon):
    till.credentials(**till._credentials, HTTP_X_TEST_CLOCK=noon.isoformat())
    return till


@pytest.fixture
def outsider_till(outsider_till, noon):
    outsider_till.credentials(**outsider_till._credentials, HTTP_X_TEST_CLOCK=noon.isoformat())
    return outsider_till


@pytest.fixture
def bought(ana):
    """`bought(1299)` is the body of a sale of 12.99 EUR to Ana; say more to change it."""
    count = iter(range(1, 10_000))

    def make(amount_minor=1299, **more):
        said = {
            "customer": ana.public_id,
            "reference": f"R-{next(count)}",
            "currency": "EUR",
            "amount_minor": amount_minor,
        }
        return {name: value for name, value in {**said, **more}.items() if value is not None}

    return make


def buy(till, said, **more):
    return till.post(f"{V1}/purchases", said, **more)
