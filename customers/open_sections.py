"""What of this room is in a merchant's open file."""

from django.db.models import F

from customers.models import Consent, Customer, Identifier, NotTheSame, Referral, Segment, Touchpoint
from merchants.open_rows import Arrival, Line, Row, Table


def _is_history(line: Line, row: Row, arrival: Arrival) -> None:
    """What happened is told to nobody a second time. A reference of our own making names rows by their ids."""
    row["relayed_at"] = arrival.at
    row["reference"] = arrival.text(row["reference"]) if row["reference"][3:4] == "_" else row["reference"]


SECTIONS = [
    # Whom others were merged into comes before them.
    Table("customer", Customer, order=(F("merged_into").asc(nulls_first=True), "pk")),
    Table("identifier", Identifier),
    Table("consent", Consent),
    Table(
        "segment",
        Segment,
        blank={"members": 0, "refreshed_at": None, "seconds": 0.0, "leased_until": None},
    ),
    Table("not_the_same", NotTheSame),
    Table("referral", Referral, ids={"purchase_id": "pur"}),
    Table("touchpoint", Touchpoint, blank={"relayed_at": None}, arrives=_is_history),
]

LEFT_OUT = {
    "customers.SegmentMember": "Counted again within a minute.",
    "customers.Site": "Its secret opens only where it was sealed: a site is made anew, like an API key.",
    "customers.Watermark": "How far this installation has read its diary.",
    "customers.SignInCode": "Gone after a day.",
    "customers.Sighting": "Keyed hashes of devices and addresses, which no other installation can compare.",
}
