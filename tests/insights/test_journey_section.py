"""`journey` in a program file: applied, exported, and refused with the reason."""

import pytest

from insights import stages
from insights.models import JourneyStages
from lib.errors import DomainError
from loyalty import program_file
from merchants.models import Merchant
from tests.customers.test_segment_section import FILE as PLAIN

pytestmark = pytest.mark.core

HEAD = PLAIN[: PLAIN.index("  segments:")]
FILE = f"""{HEAD}  journey:
    - {{id: awareness, kinds: [store.visited, page.viewed]}}
    - {{id: decision, kinds: [purchase.recorded]}}
"""


def apply(text, noon):
    return program_file.apply(text=text, at=noon, by="test")


def test_stages_are_put_in_force_and_taken_back(db, noon):
    apply(FILE, noon)

    merchant = Merchant.objects.get()
    assert stages.of(merchant)["awareness"] == ["store.visited", "page.viewed"]
    assert stages.of(merchant)["retention"] == []
    apply(FILE, noon)
    assert JourneyStages.objects.get().history.count() == 1, "the same again changes nothing"


def test_a_kind_in_two_stages_is_refused(db, noon):
    with pytest.raises(DomainError, match="stands in awareness already"):
        apply(FILE.replace("purchase.recorded", "page.viewed"), noon)
