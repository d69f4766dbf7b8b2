"""Rules and rewards for segments: only who is in one, and no statement more where none is named."""

import pytest

from customers import segments
from customers.models import Segment
from lib import db
from loyalty import programs, purchases
from loyalty.models import EarningRule
from rewards import catalogue, redemptions
from rewards.catalogue import RewardNotAvailable
from tests.rewards.conftest import put_up

pytestmark = pytest.mark.core


@pytest.fixture
def double_for(cafe, program, noon):
    """`double_for("vip")` doubles the points of the customers of one segment."""

    def publish(code):
        EarningRule.objects.create(
            merchant=cafe, program=program, code="double", kind="multiplier",
            params={"factor": "2", "segments": [code]},
        )  # fmt: skip
        programs.publish(program=program, at=noon.replace(hour=1), by="test")

    return publish


@pytest.fixture
def group(cafe, noon):
    def make(code, rule):
        segment = Segment(merchant=cafe, code=code, name=code)
        db.command(segments.save)(segment=segment, rule=rule, at=noon)
        segments.refresh(segment=segment, at=noon)

    return make


def test_a_rule_for_a_segment_counts_for_who_is_in_it(cafe, ana, sale, noon, group, double_for):
    group("vip", {"kind": "reachable", "channel": "email"})
    double_for("vip")

    assert purchases.record(merchant=cafe, sale=sale(1000), at=noon).row["points_earned"] == 20


def test_and_for_nobody_else(cafe, ana, sale, noon, group, double_for):
    group("vip", {"kind": "language", "languages": ["xx"]})
    double_for("vip")

    assert purchases.record(merchant=cafe, sale=sale(1000), at=noon).row["points_earned"] == 10


def test_only_a_program_that_names_a_segment_asks_for_one(cafe, ana, sale, noon, group, double_for):
    def texts():
        with db.watching() as watch:
            purchases.record(merchant=cafe, sale=sale(1000), at=noon)
        return [text for text in watch.texts if "segment" in text]

    group("vip", {"all": []})
    assert texts() == []
    double_for("vip")

    assert len(texts()) == 1


def test_a_reward_for_a_segment_is_seen_by_who_is_in_it(cafe, ana, program, noon, group):
    group("vip", {"all": []})
    mine = put_up(program, "for-vips", cost=0, segments=["vip"])
    put_up(program, "for-others", cost=0, segments=["others"])

    offers = catalogue.offers(merchant=cafe, customer_id=ana.pk, at=noon)

    assert [one.reward.code for one in offers] == ["for-vips"]
    redeemed = redemptions.redeem(customer=ana, reward=mine, reference="X-1", at=noon)
    assert redeemed.status == "created"


def test_and_refused_to_others(ana, program, noon):
    reward = put_up(program, "for-others", cost=0, segments=["others"])

    with pytest.raises(RewardNotAvailable):
        redemptions.redeem(customer=ana, reward=reward, reference="X-1", at=noon)
