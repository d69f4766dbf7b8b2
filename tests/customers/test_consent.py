"""Consents are facts: the newest counts, none is ever changed."""

from datetime import timedelta

import pytest

from customers import consent
from customers.consent import Choice
from customers.models import Consent

NEWS = Choice("email", "marketing", True, "portal", "News by e-mail?")


def in_force(customer):
    return {(one.channel, one.purpose): one.granted for one in consent.current(customer=customer)}


def test_the_newest_answer_counts_and_the_older_stays(ana, noon):
    consent.choose(customer=ana, choices=[NEWS], at=noon)
    no = Choice("email", "marketing", False)
    consent.choose(customer=ana, choices=[no], at=noon + timedelta(days=1))

    assert in_force(ana) == {("email", "marketing"): False}
    assert Consent.objects.filter(customer=ana).count() == 2


def test_the_same_answer_to_the_same_words_changes_nothing(ana, noon):
    for _ in range(2):
        consent.choose(customer=ana, choices=[NEWS], at=noon)

    assert Consent.objects.filter(customer=ana).count() == 1
    assert ana.touchpoints.filter(kind="consent.given").count() == 1


def test_new_words_need_a_new_answer(ana, noon):
    consent.choose(customer=ana, choices=[NEWS], at=noon)
    again = Choice("email", "marketing", True, "portal", "News and surveys by e-mail?")
    consent.choose(customer=ana, choices=[again], at=noon)

    assert [one.wording for one in consent.current(customer=ana)] == ["News and surveys by e-mail?"]


def test_channels_and_purposes_are_apart(ana, noon):
    sms = Choice("sms", "marketing", False)
    consent.choose(customer=ana, choices=[NEWS, sms], at=noon)

    assert in_force(ana) == {("email", "marketing"): True, ("sms", "marketing"): False}


@pytest.mark.parametrize(
    "choice",
    [
        Choice("", "marketing", True),
        Choice("email", "x" * 41, True),
        Choice("email", "a", True, wording="\x00"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_refused_with_all_others(ana, noon, choice):
    with pytest.raises(consent.InvalidConsent):
        consent.choose(customer=ana, choices=[NEWS, choice], at=noon)

    assert in_force(ana) == {}


def test_nobody_elses_answers_are_shown(ana, bo, noon):
    consent.choose(customer=bo, choices=[NEWS], at=noon)

    assert in_force(ana) == {}
