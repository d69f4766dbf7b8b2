"""The rewards of a program file: applied again and again, exported the same, stock kept as it is sold."""

from datetime import UTC, datetime

import pytest

from lib import marked_yaml
from loyalty import program_file
from loyalty.program_faults import BadProgramFile
from merchants.models import Merchant
from rewards.models import Reward

pytestmark = [pytest.mark.core, pytest.mark.django_db]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
FILE = """\
merchant: {slug: cafe-lua, name: Café Lua, currency: EUR, timezone: Europe/Lisbon, country: PT}
program:
  name: Lua Club
  earning:
    - {id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}}
  rewards:
    - {id: espresso, name: Free espresso, cost: 100, kind: voucher, valid_days: 30}
    - {id: five-off, name: 5 EUR off, cost: 450, kind: amount_off, amount_minor: 500, stock: 200, per_customer: 2}
    - {id: tenth, name: A tenth off, cost: 300, kind: percent_off, percent: 10, tiers: [Gold], from: 2026-05-01,
       until: 2026-05-31, description: On everything., image: "https://example.com/tenth.png"}
    - {id: pay, name: Pay with points, cost: 100, kind: points_as_payment, amount_minor: 100, max_percent: 50}
"""
REWARDS = FILE.partition("  rewards:")[2]


def apply(text=FILE):
    return program_file.apply(text=text, at=AT, by="test")


def test_a_file_puts_rewards_up():
    apply()

    five, tenth = Reward.objects.get(code="five-off"), Reward.objects.get(code="tenth")
    assert (five.params, five.stock, five.stock_total, five.per_customer) == (
        {"amount_minor": 500},
        200,
        200,
        2,
    )
    # Whole days of the merchant: midnight in Lisbon is 23:00 UTC.
    assert tenth.starts_at == datetime(2026, 4, 30, 23, tzinfo=UTC)
    assert tenth.ends_at == datetime(2026, 5, 31, 23, tzinfo=UTC)
    assert [one.code for one in Reward.objects.all()] == ["espresso", "five-off", "tenth", "pay"]


def test_applying_twice_changes_nothing_and_the_export_says_the_same():
    apply()

    assert apply() == []
    exported = program_file.export(merchant="cafe-lua")
    assert apply(exported) == []
    said, _lines = marked_yaml.read(FILE)
    shown, _lines = marked_yaml.read(exported)
    as_text = [
        [{name: str(value) for name, value in one.items()} for one in file["program"]["rewards"]]
        for file in (shown, said)
    ]
    assert as_text[0] == as_text[1]


def test_what_was_redeemed_stays_redeemed():
    apply()
    Reward.objects.filter(code="five-off").update(stock=150)

    assert apply() == []
    assert apply(FILE.replace("stock: 200", "stock: 250")) == ["program.rewards five-off.stock: 200 -> 250"]

    five = Reward.objects.get(code="five-off")
    assert (five.stock, five.stock_total) == (200, 250)


def test_a_reward_that_the_file_no_longer_has_is_switched_off_and_can_come_back():
    apply()
    without = "".join(line for line in FILE.splitlines(True) if "id: espresso" not in line)

    assert apply(without) == ["program.rewards espresso: switched off"]
    assert not Reward.objects.get(code="espresso").is_active
    assert apply()[0].startswith("program.rewards espresso: new")
    assert Reward.objects.get(code="espresso").is_active


def test_a_file_without_rewards_leaves_them_alone():
    apply()

    assert apply(FILE.replace("  rewards:" + REWARDS, "")) == []
    assert Reward.objects.filter(is_active=True).count() == 4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: voucher", "kind: vouchr", "line 7: program.rewards[0]: there is no kind 'vouchr'"),
        ("id: espresso", "id: five-off", "line 8: program.rewards[1].id: two rewards have the id 'five-off'"),
        (
            "amount_minor: 500, ",
            "",
            "line 8: program.rewards[1].amount_minor: kind amount_off needs 'amount_minor'",
        ),
        ("percent: 10", "percent: 101", "program.rewards[2].percent"),
        ("percent: 10", "per_cent: 10", "program.rewards[2].per_cent: is not a setting here"),
        ("cost: 300", "cost: -1", "program.rewards[2].cost"),
        ("until: 2026-05-31", "until: 2026-04-30", "2026-04-30 is before"),
        ("https:", "javascript:", "program.rewards[2].image"),
    ],
)
def test_a_mistake_is_said_with_its_place(old, new, said):
    with pytest.raises(BadProgramFile) as refused:
        apply(FILE.replace(old, new, 1))

    assert said in str(refused.value)
    assert not Merchant.objects.exists()
