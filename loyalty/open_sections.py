"""What of this room is in a merchant's open file."""

from collections.abc import Sequence

from loyalty import ledger, program_file
from loyalty.models import (
    CustomerDay,
    EarningRule,
    Household,
    HouseholdMember,
    Membership,
    Merge,
    Program,
    ProgramVersion,
    Purchase,
    Reference,
    Refund,
    RevenueDay,
    RuleCount,
    Tier,
    TierChange,
    TierSet,
)
from merchants.models import Merchant
from merchants.open_rows import Arrival, Line, Row, Table, Told


def _program_files(merchant: Merchant) -> Sequence[Line]:
    """The programs as people read them; the rows behind it are what an import takes."""
    names = Program.objects.filter(merchant=merchant).order_by("pk").values_list("name", flat=True)
    return [
        {"name": name, "text": program_file.export(merchant=merchant.slug, program=name)} for name in names
    ]


def _name_again(line: Line, row: Row, arrival: Arrival) -> None:
    """References that the house made name rows by their ids; what a till said stays as it said it."""
    if row["source"] == "program":
        row["reference"] = arrival.text(row["reference"])


SECTIONS = [
    Told("program_file", _program_files),
    Table("program", Program),
    Table("program_version", ProgramVersion),
    Table("tier_set", TierSet),
    Table("tier", Tier),
    Table("earning_rule", EarningRule),
    Table("membership", Membership),
    Table("tier_change", TierChange),
    Table("purchase", Purchase),
    Table("refund", Refund),
    *ledger.TABLES,
    Table(
        "reference",
        Reference,
        ids={"target_id": "row"},
        order=("reference", "kind", "source"),
        arrives=_name_again,
    ),
    Table(
        "customer_day",
        CustomerDay,
        ids={"membership_id": "mem"},
        order=("membership_id", "day", "currency"),
    ),
    Table(
        "rule_count",
        RuleCount,
        ids={"membership_id": "mem"},
        order=("membership_id", "rule", "period", "starts"),
    ),
    Table(
        "revenue_day",
        RevenueDay,
        ids={"customer_id": "cus"},
        order=("customer_id", "day", "currency"),
    ),
    Table("merge", Merge),
    Table("household", Household),
    Table("household_member", HouseholdMember),
]

LEFT_OUT = {"loyalty.RfmScore": "Made anew from the days of all customers, every hour."}
