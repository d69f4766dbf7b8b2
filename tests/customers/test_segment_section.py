"""`segments` in a program file: applied, exported, and faults with the line."""

import pytest

from customers.models import Segment
from lib.errors import DomainError
from loyalty import program_file

pytestmark = pytest.mark.core

FILE = """
merchant: {slug: cafe-flor, name: Café Flor, currency: EUR, timezone: Europe/Lisbon, country: PT}
program:
  name: Flor
  earning: [{id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}}]
  segments:
    - id: sleepers
      name: Sleepers
      description: Bought once, and not for long.
      persona: true
      face: 💤
      rule:
        all:
          - {kind: last_purchase, at_least: 60}
          - not: {kind: tier, tiers: [Gold]}
"""


def apply(text, noon, **more):
    return program_file.apply(text=text, at=noon, by="test", **more)


def test_a_segment_is_made_and_says_the_same_again(db, noon):
    apply(FILE, noon)

    segment = Segment.objects.get()
    assert (segment.code, segment.is_persona, segment.face, segment.is_active) == (
        "sleepers",
        True,
        "💤",
        True,
    )
    assert apply(FILE, noon) == []
    assert "sleepers" in program_file.export(merchant="cafe-flor")
    assert apply(program_file.export(merchant="cafe-flor"), noon) == []


def test_one_that_is_no_longer_said_is_switched_off(db, noon):
    apply(FILE, noon)

    head = FILE.partition("    - id")[0]
    assert apply(f"{head}    []\n", noon) == ["program.segments sleepers: switched off"]
    assert not Segment.objects.get().is_active


def test_a_wrong_condition_is_named_with_its_place(db, noon):
    with pytest.raises(DomainError) as refused:
        apply(FILE.replace("at_least: 60", "at_least: -1").replace("kind: tier", "kind: tears"), noon)

    text = str(refused.value)
    assert "at_least" in text
    assert "tears" in text
    assert "line 14" in text
    assert not Segment.objects.exists()
