"""
Who brought whom: a customer's code, claimed by a friend or by staff for the friend.

What it pays, and when, is `loyalty.referrals`. Here is who may bring whom, and what looks doubtful: the
same contact or device is refused, the same network address only makes staff look (a household shares one).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from customers import journey
from customers.identifiers import Given, InvalidIdentifier, normalize
from customers.models import Customer, Identifier, Referral, Sighting, Touchpoint
from lib import db, public_ids
from lib.errors import Conflict, DomainError, Fault, NotFound, Refused
from lib.signing import fingerprint
from merchants.models import Merchant

# Staff may claim for somebody who joined so long ago, and a claim waits so long for its purchase.
CLAIM_DAYS, OPEN_DAYS = timedelta(days=30), timedelta(days=90)
SIGHTINGS_KEPT = timedelta(days=400)
AT_ONCE = 500
State = Referral.State
_NOISE = re.compile(r"[\s\-.]")
_DOTLESS = {"gmail.com", "googlemail.com"}

Identity = tuple[str, str, str]
Digests = frozenset[tuple[str, str]]


class UnknownCode(NotFound):
    """Nobody's code: at a claim."""


class NoSuchCode(Refused):
    """Nobody's code: at an enrollment, which is then not done either."""

    code = "referral_code_unknown"


class SelfReferral(Refused):
    code = "self_referral"


class FriendNotNew(Refused):
    """Joined too long ago, or has bought something before."""

    code = "friend_not_new"


class AlreadyReferred(Conflict):
    """Another customer's code was claimed for this friend first."""

    code = "already_referred"


@dataclass(frozen=True, slots=True)
class Claim:
    """
    What was said of who brought a friend, and what the door saw of the friend. Without a `code` nobody did;
    `device` and `address` are kept as keyed hashes; `pointer` says where the code stood.
    """

    code: str
    device: str = ""
    address: str = ""
    pointer: str = "/code"

    @property
    def digests(self) -> Digests:
        told = (("device", self.device), ("address", self.address))
        return frozenset((kind, fingerprint("sighting", kind, text)) for kind, text in told if text)


def normal(code: str) -> str:
    """Return a code as it is kept: people type blanks, dashes and small letters."""
    return _NOISE.sub("", code).upper()


def referrers(*, merchant: Merchant, claims: Iterable[Claim]) -> dict[str, Customer]:
    """Return the active customers behind these codes, by normal code, in one statement; merged ones as their target."""
    codes = {normal(claim.code) for claim in claims}
    found = {}
    rows = Customer.objects.filter(merchant=merchant, referral_code__in=codes).select_related("merged_into")
    for row in rows:
        owner = row.merged_into or row
        if owner.status == Customer.Status.ACTIVE:
            owner.merchant = merchant
            found[row.referral_code] = owner
    return found


def unknown(claim: Claim, *, at_claim: bool = True) -> DomainError:
    """Return the refusal of a code that is nobody's."""
    kind: type[DomainError] = UnknownCode if at_claim else NoSuchCode
    return kind(
        "This referral code is nobody's. Check it, or go on without one.",
        faults=[Fault(claim.pointer, "not_found", "is no customer's code")],
    )


# --- claiming -----------------------------------------------------------------------------------------


@db.inside_transaction
def claim(
    *, friend: Customer, claim: Claim, at: datetime, by: str, was_here: bool = False
) -> tuple[Referral, bool]:
    """
    Write down who brought this friend; return the referral, and whether it is new.

    Claiming the same code again answers the first. `was_here` says that the friend's contact was known here
    before they joined; such a referral is kept as rejected.

    :raises UnknownCode: nobody has this code
    :raises AlreadyReferred: another code was claimed for this friend
    :raises SelfReferral: referrer and friend are one person: same customer, contact or device
    :raises FriendNotNew: joined more than 30 days ago, or has bought something
    """
    # The race: two tills claim one friend with two codes. The second waits here and finds the first's row.
    locked = Customer.objects.select_for_update(of=("self",)).get(pk=friend.pk)
    referrer = referrers(merchant=friend.merchant, claims=[claim]).get(normal(claim.code))
    first = Referral.objects.filter(merchant=friend.merchant, friend=friend).first()
    if first is not None and (first.code == normal(claim.code) or _is(first, referrer)):
        return first, False
    if referrer is None:
        raise unknown(claim)
    if first is not None:
        raise AlreadyReferred(
            "Another customer's code was claimed for this friend before; the first one counts.",
            faults=[Fault(claim.pointer, "already_referred", "another code was claimed first")],
        )
    if referrer.pk == friend.pk:
        raise _self_referral(claim, "is the customer's own code")
    _insist_on_new(locked, claim, at)
    mine = Identifier.objects.filter(merchant=friend.merchant, customer=friend)
    check(
        referrer=referrer,
        identities=list(mine.values_list("type", "source", "value")),
        claim=claim,
        devices=_seen(friend.pk),
    )
    [made] = write(
        merchant=friend.merchant,
        claims={friend.pk: (referrer, claim)},
        at=at,
        by=by,
        was_here={friend.pk} if was_here else set(),
    )
    return made, True


def _is(first: Referral, referrer: Customer | None) -> bool:
    # A merged referrer has two codes that lead to one customer.
    return referrer is not None and first.referrer_id == referrer.pk


def _insist_on_new(friend: Customer, claim: Claim, at: datetime) -> None:
    has_bought = Touchpoint.objects.filter(
        merchant=friend.merchant_id, customer=friend, kind="customer.converted"
    ).exists()
    if has_bought or friend.created_at < at - CLAIM_DAYS:
        detail = "has bought something already" if has_bought else "joined more than 30 days ago"
        pointer = claim.pointer if claim.pointer != "/code" else "/customer"
        raise FriendNotNew(
            f"A code counts for somebody new only; this customer {detail}.",
            faults=[Fault(pointer, "friend_not_new", detail)],
        )


def check(
    *, referrer: Customer, identities: Sequence[Identity], claim: Claim, devices: Digests = frozenset()
) -> None:
    """
    Refuse a friend who is the referrer by another name: an e-mail that reaches the same mailbox, the same
    phone or card, or the same device.

    :raises SelfReferral:
    """
    theirs = Identifier.objects.filter(merchant=referrer.merchant_id, customer=referrer)
    contacts = {_mailbox(*one) for one in theirs.values_list("type", "source", "value")}
    if contacts.intersection(_mailbox(*one) for one in identities):
        raise _self_referral(claim, "has the same contact")
    told = {one for one in claim.digests | devices if one[0] == "device"}
    if told & _seen(referrer.pk):
        raise _self_referral(claim, "uses the same device")


def _self_referral(claim: Claim, detail: str) -> SelfReferral:
    return SelfReferral(
        "Customers cannot refer themselves.", faults=[Fault(claim.pointer, "self_referral", detail)]
    )


def _mailbox(type: str, source: str, value: str) -> Identity:
    """Return an identity so that two spellings of one mailbox are equal: ana+2@… is ana@…."""
    if type != "email":
        return (type, source, value)
    name, _, host = value.rpartition("@")
    name = name.partition("+")[0]
    return (type, source, f"{name.replace('.', '') if host in _DOTLESS else name}@{host}")


def identities(given: Sequence[Given], *, country: str) -> list[Identity]:
    """Return what a newcomer is recognized by, in normal form; what is not an identifier is left out."""
    found = []
    for one in given:
        try:
            value = normalize(type=one.type, value=one.value, country=country)
        except InvalidIdentifier:
            continue
        found.append((one.type, one.source, value))
    return found


def refused(
    *, merchant: Merchant, newcomers: Mapping[int, tuple[Claim, Sequence[Given]]]
) -> dict[int, DomainError]:
    """Return which newcomers' claims cannot be, by place: asked before they are enrolled, so that nothing is."""
    if not newcomers:
        return {}
    known = referrers(merchant=merchant, claims=[claim for claim, _ in newcomers.values()])
    found: dict[int, DomainError] = {}
    for place, (claim, given) in newcomers.items():
        referrer = known.get(normal(claim.code))
        if referrer is None:
            found[place] = unknown(claim, at_claim=False)
            continue
        try:
            check(referrer=referrer, identities=identities(given, country=merchant.country), claim=claim)
        except SelfReferral as refusal:
            found[place] = refusal
    return found


@db.inside_transaction
def write(
    *,
    merchant: Merchant,
    claims: Mapping[int, tuple[Customer, Claim]],
    at: datetime,
    by: str,
    was_here: set[int],
) -> list[Referral]:
    """Write the referrals of these friends (by customer id), what was seen of them, and what is doubtful."""
    made = []
    for friend_id, (referrer, claim) in claims.items():
        signals = ["was_here_before"] if friend_id in was_here else _doubts(referrer, friend_id, claim)
        state = State.REJECTED if friend_id in was_here else State.FLAGGED if signals else State.JOINED
        made.append(
            Referral(
                merchant=merchant,
                referrer_id=referrer.pk,
                friend_id=friend_id,
                code=normal(claim.code),
                state=state,
                signals=signals,
                refusal="was_here_before" if friend_id in was_here else "",
                claimed_by=by,
                claimed_at=at,
                expires_at=at + OPEN_DAYS,
                ended_at=at if state == State.REJECTED else None,
            )
        )
        see(merchant=merchant, customer_id=friend_id, digests=claim.digests, at=at)
    Referral.objects.bulk_create(made)
    note(made, at=at)
    return made


def _doubts(referrer: Customer, friend_id: int, claim: Claim) -> list[str]:
    """Return what staff should look at: never more than a doubt, because a household shares an address."""
    told = claim.digests
    if not told:
        return []
    kinds = {kind for kind, _ in told & _seen(referrer.pk)}
    earlier = Sighting.objects.filter(
        merchant=referrer.merchant_id,
        kind="device",
        digest__in=[digest for kind, digest in told if kind == "device"],
    ).exclude(customer__in=[referrer.pk, friend_id])
    return [
        *(["same_address"] if "address" in kinds else []),
        *(["device_of_another_customer"] if earlier.exists() else []),
    ]


def _seen(customer_id: int) -> Digests:
    return frozenset(Sighting.objects.filter(customer=customer_id).values_list("kind", "digest"))


@db.inside_transaction
def see(*, merchant: Merchant, customer_id: int, digests: Digests, at: datetime) -> None:
    """Keep where a customer was seen. Repeating moves the time."""
    rows = [
        {
            "id": public_ids.new(),
            "merchant_id": merchant.pk,
            "customer_id": customer_id,
            "kind": kind,
            "digest": digest,
            "seen_at": at,
        }
        for kind, digest in sorted(digests)
    ]
    db.insert(
        Sighting, rows, on_conflict="(customer_id, kind, digest) DO UPDATE SET seen_at = EXCLUDED.seen_at"
    )


@db.command
def saw(*, customer: Customer, at: datetime, device: str = "", address: str = "") -> None:
    """Keep where a customer who hands out their code was seen, to recognize a friend who is themselves."""
    digests = Claim("", device=device, address=address).digests
    see(merchant=customer.merchant, customer_id=customer.pk, digests=digests, at=at)


# --- what time and staff do ---------------------------------------------------------------------------


def note(referrals: Sequence[Referral], *, at: datetime, by: str = "") -> None:
    """Note the state of these referrals in the diaries of both customers."""
    journey.note_all(
        [
            journey.row(
                merchant_id=one.merchant_id,
                customer_id=customer_id,
                kind=f"referral.{one.state}",
                at=at,
                now=at,
                data={
                    "referral": one.public_id,
                    "role": role,
                    "points": points,
                    **({"by": by} if by else {}),
                },
            )
            for one in referrals
            for role, customer_id, points in (
                ("referrer", one.referrer_id, one.referrer_points),
                ("friend", one.friend_id, one.friend_points),
            )
        ]
    )


@db.command
def expire(*, at: datetime) -> int:
    """End open referrals whose purchase never came; return how many. Call it until it returns 0."""
    return _move(State.JOINED, "expires_at", State.EXPIRED, at=at)


@db.command
def reward(*, at: datetime) -> int:
    """Say of qualified referrals that the return window is over; the points became usable by themselves."""
    return _move(State.QUALIFIED, "activates_at", State.REWARDED, at=at)


def _move(state: State, due: str, to: State, *, at: datetime) -> int:
    taken = db.ask(
        f"SELECT r.id FROM customers_referral r WHERE r.state = %s AND r.{due} <= %s "
        f"ORDER BY r.id LIMIT {AT_ONCE}" + db.for_update("r", skip_locked=True),
        [state.value, at],
    ).rows
    rows = list(Referral.objects.filter(pk__in=[number for (number,) in taken]).order_by("pk"))
    for one in rows:
        one.state = to
        if to == State.REWARDED:
            one.rewarded_at = one.activates_at
        else:
            one.ended_at = at
    Referral.objects.bulk_update(rows, ["state", "rewarded_at", "ended_at"])
    note(rows, at=at)
    return len(rows)


def forget_sightings(*, at: datetime) -> int:
    """Delete sightings that nobody needs any more; return how many."""
    return Sighting.objects.filter(seen_at__lt=at - SIGHTINGS_KEPT).delete()[0]
