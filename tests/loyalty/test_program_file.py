"""The program file: applied again and again, exported, and every mistake said with line and remedy."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.identifiers import Given
from lib.marked_yaml import Unreadable
from loyalty import members, program_file, programs
from loyalty.models import EarningRule, Program, ProgramVersion, TierSet
from loyalty.program_faults import BadProgramFile
from merchants.models import Merchant

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
MIRA = """\
merchant: {slug: cafe-mira, name: Café Mira, currency: EUR, timezone: Europe/Lisbon, country: PT, language: en}
program:
  name: Mira Club
  points_name: beans
  rounding: floor
  earns_on: {tax: included}
  expiry: {mode: age, months: 12}
  refunds: {policy: negative, min_days_left: 30, return_days: 14}
  economics: {point_value_minor: 1, point_cost_minor: "0.6", gross_margin: "0.4", annual_discount: "0.1"}
  tiers:
    metric: points_earned
    window: {mode: rolling_days, days: 365}
    downgrade: {steps: 1, grace_days: 30}
    levels:
      - {name: Bronze, at: 0}
      - {name: Silver, at: 500, multiplier: "1.25", perks: [{kind: benefit, name: Free oat milk}]}
      - {name: Gold, at: 2000, multiplier: 1.5, perks: [{kind: entry_points, points: 100, name: Welcome to Gold}]}
  earning:
    - {id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}, pending_days: 0}
    - {id: breakfast, kind: multiplier, factor: "2", categories: [pastry], weekdays: [mon, tue],
       from: 2026-01-01, until: 2026-12-31, time_from: 07:00}
    - {id: welcome, kind: welcome, points: 50}
    - {id: review, kind: touchpoint, touchpoint: review.posted, points: 20, cap_per_month: 2}
  referral: {referrer_points: 200, friend_points: 100, min_amount_minor: 1000, cap_per_month: 5}
  rewards:
    - {id: espresso, name: Free espresso, cost: 100, kind: voucher, valid_days: 30}
"""


def apply(text=MIRA, **more):
    return program_file.apply(text=text, at=more.pop("at", AT), by="test", **more)


@pytest.mark.django_db
def test_a_file_makes_the_merchant_and_its_whole_program():
    changes = apply()
    assert changes[0].startswith("merchant: new")
    merchant = Merchant.objects.get(slug="cafe-mira")
    plan = programs.current(merchant=merchant)
    assert (plan.name, plan.points_name, plan.expiry.months) == ("Mira Club", "beans", 12)
    assert [(level.name, level.at, float(level.multiplier)) for level in plan.tiers.levels] == [
        ("Bronze", 0, 1.0),
        ("Silver", 500, 1.25),
        ("Gold", 2000, 1.5),
    ]
    assert {rule.code for rule in plan.rules} == {"base", "breakfast", "welcome", "review"}
    assert Program.objects.get().extras["referral"]["referrer_points"] == 200


@pytest.mark.django_db
def test_applying_twice_changes_nothing():
    apply()
    versions = ProgramVersion.objects.count()
    assert apply() == []
    assert ProgramVersion.objects.count() == versions


@pytest.mark.django_db
def test_a_dry_run_says_all_and_saves_nothing():
    assert len(apply(dry_run=True)) > 10
    assert not Merchant.objects.exists()
    apply()
    assert apply(MIRA.replace("points: 50", "points: 60"), dry_run=True) == [
        "program.earning welcome.points: 50 -> 60"
    ]
    assert EarningRule.objects.get(code="welcome").params["points"] == 50


@pytest.mark.django_db
def test_a_rule_that_the_file_no_longer_has_is_switched_off_and_can_come_back():
    apply()
    without = "".join(line for line in MIRA.splitlines(True) if "id: review" not in line)
    assert apply(without) == ["program.earning review: switched off"]
    assert not EarningRule.objects.get(code="review").is_active
    assert apply(MIRA)[0].startswith("program.earning review: new")
    assert EarningRule.objects.get(code="review").is_active


@pytest.mark.django_db
def test_changed_levels_make_a_new_live_set_and_nobody_falls():
    apply()
    merchant = Merchant.objects.get()
    ana = members.enroll(merchant=merchant, identifiers=[Given("email", "ana@example.com")], at=AT, by="test")
    changes = apply(MIRA.replace("name: Bronze", "name: Copper"), at=AT + timedelta(days=1))
    assert "program.tiers.levels Bronze: removed" in changes
    assert TierSet.objects.filter(status="live").count() == 1
    assert TierSet.objects.filter(status="retired").count() == 1
    assert members.membership(customer=ana).tier == "Copper"


@pytest.mark.django_db
def test_a_later_change_never_judges_earlier_sales():
    apply()
    merchant = Merchant.objects.get()
    apply(MIRA.replace("EUR: 100", "EUR: 50"), at=AT + timedelta(days=9))
    merchant.refresh_from_db()
    before, after = (programs.current(merchant=merchant, at=AT + timedelta(days=day)) for day in (1, 10))
    assert [plan.rules[0].params.per_minor["EUR"] for plan in (before, after)] == [100, 50]


@pytest.mark.django_db
def test_a_sandbox_stays_one_and_a_currency_with_customers_too():
    apply()
    with pytest.raises(program_file.FixedForEver, match="another slug"):
        apply(MIRA.replace("language: en}", "language: en, test: true}"))
    merchant = Merchant.objects.get()
    members.enroll(merchant=merchant, identifiers=[Given("email", "ana@example.com")], at=AT, by="test")
    with pytest.raises(program_file.FixedForEver, match="per_minor"):
        apply(MIRA.replace("currency: EUR", "currency: CZK").replace("{EUR: 100}", "{EUR: 100, CZK: 10}"))


@pytest.mark.django_db
def test_a_program_is_renamed_when_it_is_the_only_one():
    apply()
    assert apply(MIRA.replace("name: Mira Club", "name: Mira Friends")) == [
        "program.name: Mira Club -> Mira Friends"
    ]
    assert Program.objects.get().name == "Mira Friends"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("rounding: floor", "rounding: down", "line 5: program.rounding: 'down' is not one of 'floor'"),
        ("points_name: beans", "point_name: beans", "did you mean 'points_name'?"),
        ("currency: EUR", "currency: EUX", "line 1: merchant.currency: 'EUX': not an ISO 4217"),
        ("Europe/Lisbon", "Lisbon", "line 1: merchant.timezone: 'Lisbon': not a time zone"),
        ("country: PT", "country: Portugal", "must be a country in two capital letters"),
        ("slug: cafe-mira", "slug: café", "merchant.slug: 'café' must be of letters"),
        ("months: 12", "months: 0", "line 7: program.expiry.months"),
        ("mode: age, months: 12", "mode: age", "mode age needs 'months': add it"),
        ("mode: age, months: 12", "mode: never, months: 12", "says nothing with mode never"),
        (
            "days: 365",
            "day: 365",
            "line 12: program.tiers.window.day: is not a setting here: did you mean 'days'?",
        ),
        ("at: 500", "at: many", "line 16: program.tiers.levels[1].at: must be a whole number, not 'many'"),
        ("at: 500", "at: 0", "two levels have the at 0"),
        ("name: Silver", "name: Gold", "two levels have the name 'Gold'"),
        (
            "{kind: benefit, name: Free oat milk}",
            "{kind: benefit, name: A, limit: {times: 0, per: day}}",
            "line 16",
        ),
        (
            "{kind: benefit, name: Free oat milk}",
            "{kind: benefit, name: A, limit: {times: 1}}",
            "per: is missing",
        ),
        (
            "{kind: benefit, name: Free oat milk}",
            "{kind: benefit, name: A, again: each_time}",
            "again: is not a setting here",
        ),
        (
            "{kind: benefit, name: Free oat milk}",
            "{kind: benefit, name: A, id: x}, {kind: benefit, name: B, id: x}",
            "two perks of Silver have the id 'x'",
        ),
        (
            "{kind: benefit, name: Free oat milk}",
            "{kind: entry_reward, reward: latte, name: A}",
            "line 16: program.tiers.levels[1].perks[0].reward: there is no reward 'latte'. Known: espresso.",
        ),
        (
            "kind: benefit",
            "kind: benefits",
            "line 16: program.tiers.levels[1].perks[0]: 'benefits' is not one of",
        ),
        (
            "kind: welcome",
            "kind: greeting",
            "line 22: program.earning[2].kind: there is no kind 'greeting'. Known:",
        ),
        (
            "points: 50",
            "pints: 50",
            "line 22: program.earning[2].pints: is not a setting here: did you mean 'points'",
        ),
        ("{EUR: 100}", "{}", "no rule earns in the merchant's own currency: add EUR"),
        ("{EUR: 100}", "{EUR: 0}", "line 19: program.earning[0].per_minor.EUR"),
        ("id: welcome", "id: base", "two rules have the id 'base'"),
        ('factor: "2"', "factor: -2", "line 20: program.earning[1].factor"),
        ("until: 2026-12-31", "until: 2025-12-31", "2025-12-31 is before `from`"),
        ("[mon, tue]", "[monday]", "line 20: program.earning[1].weekdays[0]: 'monday' is not one of"),
        (
            "weekdays: [mon, tue]",
            "tiers: [Platinum]",
            "there is no level 'Platinum'. Known: Bronze, Gold, Silver",
        ),
        ("kind: voucher", "kind: amount_off", "needs 'amount_minor'"),
        ("  name: Mira Club\n", "", "line 2: program.name: is missing"),
        ('multiplier: "1.25"', 'multiplier: "1.23456"', "line 16: program.tiers.levels[1].multiplier"),
        ("name: Mira Club", 'name: "Mira\\0Club"', "one line without control characters"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_what_to_do(old, new, said):
    assert old in MIRA
    with pytest.raises(BadProgramFile) as refused:
        program_file.read(text=MIRA.replace(old, new, 1))
    assert said in str(refused.value)


PERKS = """[{kind: benefit, name: Cake, id: cake, limit: {times: 2, per: month}},
        {kind: entry_reward, reward: espresso, name: A coffee on us},
        {kind: entry_points, points: 50, name: Hello, pending_days: 14, again: each_time}]"""


@pytest.mark.django_db
def test_perks_go_out_as_they_came_in():
    apply(MIRA.replace("[{kind: benefit, name: Free oat milk}]", PERKS))

    again = program_file.export(merchant="cafe-mira")

    assert apply(again) == []
    assert "per: month" in again
    assert "reward: espresso" in again


@pytest.mark.django_db
def test_a_file_without_rewards_may_name_those_that_are_there():
    apply()
    bare = MIRA[: MIRA.index("  rewards:")].replace("[{kind: benefit, name: Free oat milk}]", PERKS)

    assert apply(bare)
    with pytest.raises(BadProgramFile, match=r"there is no reward 'latte'\. Known: espresso"):
        apply(bare.replace("reward: espresso", "reward: latte"))


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file():
    bad = MIRA.replace("rounding: floor", "rounding: down").replace("points: 50", "pints: 50")
    with pytest.raises(BadProgramFile) as refused:
        program_file.read(text=bad.replace("currency: EUR", "currency: EUX"))
    lines = [int(said.split(":")[0].removeprefix("line ")) for said in str(refused.value).splitlines()]
    assert lines == sorted(lines)
    assert {1, 5, 22} <= set(lines)


@pytest.mark.parametrize(
    "text",
    ["", "- a\n- b", "just words", "merchant: &a {slug: x}\nprogram: *a", "a: 1\na: 2", "a: [", "a: \x00"],
)
def test_what_is_no_program_file_is_refused_in_words(text):
    with pytest.raises((BadProgramFile, Unreadable)) as refused:
        program_file.read(text=text)
    assert str(refused.value)


def test_the_secret_of_a_connection_is_read_from_the_command_line_only():
    text = MIRA + '  connections: [{id: main, kind: stripe, secret: "env:SHOP_WEBHOOK_SECRET"}]\n'
    with pytest.raises(BadProgramFile, match="command line only"):
        program_file.read(text=text)
    with pytest.raises(BadProgramFile, match="has no SHOP_WEBHOOK_SECRET: set it"):
        program_file.read(text=text, env={})
    for name in ("SECRET_KEY", "HOME", "shop_webhook_secret"):
        with pytest.raises(BadProgramFile, match="ends in _WEBHOOK_SECRET or _API_KEY"):
            program_file.read(text=text.replace("SHOP_WEBHOOK_SECRET", name), env={name: "whsec_1"})


@pytest.mark.django_db
def test_secrets_are_compared_and_kept_but_never_shown():
    text = MIRA + '  connections: [{id: main, kind: stripe, secret: "env:SHOP_WEBHOOK_SECRET"}]\n'
    env = {"SHOP_WEBHOOK_SECRET": "whsec_0123456789abcdefghijklmnop"}
    changes = apply(text, env=env)
    assert apply(text, env=env) == []
    rotated = {"SHOP_WEBHOOK_SECRET": "whsec_ponmlkjihgfedcba9876543210"}
    assert apply(text, env=rotated) == ["program.connections main.secret: a new value"]
    exported = program_file.export(merchant="cafe-mira")
    assert "env:SHOP_WEBHOOK_SECRET" in exported
    assert "whsec_" not in exported + "".join(changes)
    assert apply(exported, env=rotated) == []
    assert apply(MIRA) == [], "a file without connections leaves them as they are"


@pytest.mark.django_db
def test_exporting_what_is_not_there_says_what_is():
    apply()
    with pytest.raises(program_file.NoMerchant, match="Known: cafe-mira"):
        program_file.export(merchant="mira")
    with pytest.raises(program_file.NoMerchant, match="no program 'Other'"):
        program_file.export(merchant="cafe-mira", program="Other")


# --- any program at all -----------------------------------------------------------------------------

plain = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
words = st.text(plain, min_size=1, max_size=30).filter(lambda text: text == text.strip() and text)
codes = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
points = st.integers(0, 10**6)


def decimals(low, high, places):
    return st.decimals(low, high, places=places, allow_nan=False).map(str)


expiries = st.one_of(
    st.just({"mode": "never"}),
    st.fixed_dictionaries({"mode": st.sampled_from(["age", "inactivity"]), "months": st.integers(1, 120)}),
    st.fixed_dictionaries(
        {
            "mode": st.just("age_rounded"),
            "months": st.integers(1, 120),
            "round_to": st.sampled_from(["month", "quarter", "half_year", "year"]),
        }
    ),
    st.fixed_dictionaries(
        {"mode": st.just("fixed_day"), "day": st.sampled_from(["12-31", "02-29", "06-01"])}
    ),
)
windows = st.one_of(
    st.fixed_dictionaries({"mode": st.just("rolling_days"), "days": st.integers(1, 3660)}),
    st.fixed_dictionaries({"mode": st.just("calendar_year"), "first_month": st.integers(1, 12)}),
    st.fixed_dictionaries({"mode": st.sampled_from(["lifetime", "membership_year"])}),
)
limits = st.fixed_dictionaries(
    {"times": st.integers(1, 100), "per": st.sampled_from(["day", "week", "membership_year", "lifetime"])}
)
again = {"again": st.just("each_time")}
perks = st.one_of(
    st.fixed_dictionaries({"kind": st.just("benefit"), "name": words}, optional={"limit": limits}),
    st.fixed_dictionaries(
        {"kind": st.just("entry_points"), "points": st.integers(1, 10**6), "name": words},
        optional={"pending_days": st.integers(1, 3660), **again},
    ),
)
levels = st.lists(
    st.fixed_dictionaries(
        {"name": words, "at": st.integers(0, 10**12)},
        optional={"multiplier": decimals("0.001", "100", 3), "perks": st.lists(perks, max_size=2)},
    ),
    min_size=1,
    max_size=4,
    unique_by=(lambda level: level["name"], lambda level: level["at"]),
)
common = {
    "from": st.dates().map(str),
    "weekdays": st.lists(st.sampled_from(["mon", "wed", "sun"]), unique=True),
    "categories": st.lists(words, max_size=3),
    "time_from": st.times().map(lambda time: f"{time:%H:%M}"),
    "group": codes,
    "pending_days": st.integers(0, 366),
    "cap_per_day": st.integers(1, 99),
    "qualifies": st.booleans(),
}
rules = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"kind": st.sampled_from(["welcome", "birthday", "per_visit", "fixed_bonus"]), "points": points},
            optional=common,
        ),
        st.fixed_dictionaries(
            {"kind": st.just("multiplier"), "factor": decimals("0.01", "100", 2)}, optional=common
        ),
        st.fixed_dictionaries(
            {
                "kind": st.just("per_amount"),
                "points": points,
                "per_minor": st.fixed_dictionaries(
                    {"EUR": st.integers(1, 10**6)}, optional={"JPY": st.integers(1, 9)}
                ),
            },
            optional=common,
        ),
    ),
    max_size=4,
)
documents = st.fixed_dictionaries(
    {"name": words},
    optional={
        "points_name": words,
        "rounding": st.sampled_from(["floor", "half_up", "ceil"]),
        "earns_on": st.fixed_dictionaries({"tax": st.sampled_from(["included", "excluded"])}),
        "expiry": expiries,
        "economics": st.fixed_dictionaries({"point_value_minor": decimals("0", "9999", 4)}),
        "tiers": st.fixed_dictionaries({"window": windows, "levels": levels}),
        "earning": rules,
        "referral": st.fixed_dictionaries({"referrer_points": points}),
        "transfers": st.fixed_dictionaries(
            {"allowed": st.booleans()}, optional={"max_per_month": st.integers(1, 99)}
        ),
    },
)
merchants = st.fixed_dictionaries({"name": words, "currency": st.just("EUR"), "country": st.just("PT")})


@pytest.mark.django_db
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(merchant=merchants, program=documents)
def test_any_program_exports_to_a_file_that_changes_nothing(merchant, program):
    number = Merchant.objects.count()
    for place, rule in enumerate(program.get("earning", [])):
        rule["id"] = f"rule-{place}"
    document = {"merchant": {"slug": f"shop-{number}", **merchant}, "program": program}
    assert program_file.apply(document=document, at=AT, by="test")
    assert program_file.apply(document=document, at=AT, by="test") == []
    exported = program_file.export(merchant=f"shop-{number}")
    assert apply(exported) == [], exported
    assert program_file.export(merchant=f"shop-{number}") == exported
