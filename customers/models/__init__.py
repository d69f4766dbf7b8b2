"""
Who they are and what happened to them.

`Customer` is one person at one merchant; a person who shops at two merchants is two customers.
`Identifier` is one way to recognize a customer (e-mail, phone, card, an id in another system), unique
per merchant, normalized before it is stored. `Consent` rows are facts: the newest one per channel and
purpose counts. `Touchpoint` is the diary: one dated fact about one customer, written in the transaction
of the change it records, and at once outbox, flow trigger and analytics row. `SignInCode` is a code sent
to a contact, kept as a keyed hash until it is used or runs out. `NotTheSame` remembers that two who look
alike are two people. `Referral` says who brought whom, `Sighting` keeps keyed hashes of where somebody was
seen, to find who refers themselves. `Segment` is a group that a rule describes, `SegmentMember` says who is
in it now, `Watermark` how far the diary was read for that. `Site` is a shop's own pages whose script may tell
what visitors do. Erasing a customer deletes the identifiers and
the name and keeps the row, so that the books still add up.
"""

from customers.models.consent import Consent
from customers.models.customer import Customer, Identifier
from customers.models.not_the_same import NotTheSame
from customers.models.referral import Referral, Sighting
from customers.models.segment import FACES, Segment, SegmentMember, Watermark
from customers.models.sign_in_code import SignInCode
from customers.models.site import Site
from customers.models.touchpoint import Touchpoint

__all__ = [
    "FACES",
    "Consent",
    "Customer",
    "Identifier",
    "NotTheSame",
    "Referral",
    "Segment",
    "SegmentMember",
    "Sighting",
    "SignInCode",
    "Site",
    "Touchpoint",
    "Watermark",
]
