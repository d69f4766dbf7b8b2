"""What the tests of points share."""

import pytest

from tests.loyalty.holding import give


@pytest.fixture
def rich(cafe, ana, noon):
    """Ana has 100 points."""
    give(ana, 100, noon, "A-1")
    return ana
