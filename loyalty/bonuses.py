"""
Points outside of a sale: for joining, on the birthday, for something the customer did.

Each is given once, whatever is repeated: its name is kept for ever in `Reference` (source `program`, kind
`bonus`). Conditions and caps of the rules hold as in a sale; the tier follows where a rule says that its
points qualify.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from customers.models import Customer, Identifier, Touchpoint
from lib import db
from lib.signing import fingerprint
from loyalty import awards, calendar, desk, known, lookup, programs, tiers
from loyalty.desk import Desk
from loyalty.earning.base import Basket, unmet
from loyalty.earning.touchpoint import OnTouchpoint
from loyalty.ledger import Cause
from loyalty.lookup import Person
from loyalty.models import Reference
from loyalty.plan import Plan, PlanRule
from merchants.models import Merchant

SOURCE, KIND = "program", "bonus"
CONTACTS = (Identifier.Type.EMAIL, Identifier.Type.PHONE)
# A birthday entered later than this before the day gives nothing: nobody has a birthday when it pays.
BIRTHDAY_NOTICE = timedelta(days=30)
# A job that did not run on the day makes up for it within a week.
BIRTHDAY_DAYS = 7
BIRTHDAYS_AT_ONCE = 500

Identity = tuple[str, str, str]


# --- welcome ------------------------------------------------------------------------------------------


@db.inside_transaction
def welcome(
    *,
    merchant: Merchant,
    people: Sequence[Person],
    at: datetime,
    bought: Collection[int] = (),
    gives: bool = True,
) -> None:
    """
    Give the welcome points to who has a verified contact, or has bought something (ids in `bought`).

    They are given once per contact: everything a customer is recognized by is remembered as a keyed hash,
    which outlives the customer, so that leaving and joining again gives nothing.

    :param gives: False only remembers, for members who joined long ago elsewhere
    """
    plan = programs.current(merchant=merchant, at=at)
    has = _verified([person.customer_id for person in people], merchant)
    ready = [
        person
        for person in people
        if not gives
        or person.customer_id in bought
        or any(type in CONTACTS for type, _, _ in has.get(person.customer_id, ()))
    ]
    if not ready:
        return
    names = {person.customer_id: _names(plan, person, has.get(person.customer_id, [])) for person in ready}
    every = [name for each in names.values() for name in each]
    said = _said(merchant, every)
    rules = plan.events("welcome") if gives else []
    # Only whom something may be given is locked. Behind the lock it is looked up again: another worker may
    # have been welcoming the same people.
    due = [person for person in ready if rules and not said.intersection(names[person.customer_id])]
    work = _desk(merchant, [(person, at) for person in due], at=at)
    said = _said(merchant, every) if due else said
    for person in due:
        if not said.intersection(names[person.customer_id]):
            for rule in rules:
                _give(work, plan, person, rule, at=at, reference="welcome")
    _remember(work, [name for name in every if name not in said])
    desk.write(work)


def _verified(customers: Sequence[int], merchant: Merchant) -> dict[int, list[Identity]]:
    found: dict[int, list[Identity]] = {}
    rows = Identifier.objects.filter(
        merchant=merchant, customer_id__in=customers, verified_at__isnull=False
    ).values_list("customer_id", "type", "source", "value")
    for customer_id, type, source, value in rows:
        found.setdefault(customer_id, []).append((type, source, value))
    return found


def _names(plan: Plan, person: Person, identities: Sequence[Identity]) -> list[str]:
    parts = identities or [("customer", "", str(person.customer_id))]
    return [_name(plan, identity) for identity in parts]


def _name(plan: Plan, identity: Identity) -> str:
    return f"welcome:{plan.program_id}:{fingerprint('welcome', *identity)}"


def were_here_before(*, merchant: Merchant, customers: Sequence[int]) -> set[int]:
    """Return who has a contact that was welcomed here before this customer joined: they left and came back."""
    plan = programs.current(merchant=merchant)
    names = {
        _name(plan, identity): number
        for number, identities in _verified(customers, merchant).items()
        for identity in identities
    }
    if not names:
        return set()
    joined = dict(Customer.objects.filter(pk__in=customers).values_list("pk", "created_at"))
    said = Reference.objects.filter(
        merchant_id=merchant.pk, source=SOURCE, kind=KIND, reference__in=list(names)
    )
    return {
        number
        for reference, created_at in said.values_list("reference", "created_at")
        if created_at < joined[number := names[reference]]
    }


# --- touchpoints --------------------------------------------------------------------------------------


def on_touchpoints(touchpoints: Sequence[Touchpoint], at: datetime) -> None:
    """Hear what customers did, and give what the rules of kind `touchpoint` promise for it."""
    for merchant, told in by_merchant(touchpoints).items():
        plan, people = people_of(merchant, told, at=at)
        if plan is None or not plan.events("touchpoint"):
            continue
        heard = [
            (one, people[one.customer_id], rules)
            for one in told
            if one.customer_id in people
            and (rules := _rules_for(programs.current(merchant=merchant, at=one.occurred_at), one.kind))
        ]
        work = _desk(merchant, [(person, one.occurred_at) for one, person, _ in heard], at=at)
        names = {one.pk: f"touchpoint:{one.public_id}" for one, _, _ in heard}
        said = _said(merchant, names.values()) if heard else set()
        for one, person, rules in heard:
            if names[one.pk] in said:
                continue
            before = len(work.notes)
            for rule in rules:
                _give(work, plan, person, rule, at=one.occurred_at, reference=one.public_id)
            if len(work.notes) > before:
                _remember(work, [names[one.pk]])
        desk.write(work)


def _rules_for(plan: Plan, kind: str) -> list[PlanRule]:
    return [
        rule
        for rule in plan.events("touchpoint")
        if isinstance(rule.params, OnTouchpoint.Params) and rule.params.touchpoint == kind
    ]


# --- birthdays ----------------------------------------------------------------------------------------


def give_birthdays(*, at: datetime, merchant: Merchant | None = None) -> int:
    """
    Give the birthday points due at every merchant, by its own date; return how many customers got some.

    Any number of times a day. 29 February is the 28th in other years. A day that was missed is made up
    for within a week.
    """
    merchants = [merchant] if merchant else list(Merchant.objects.filter(is_active=True))
    given = 0
    for one in merchants:
        plan = _plan(one)
        if plan is None or not plan.events("birthday"):
            continue
        today = plan.local(at).date()
        for day in (today - timedelta(days=back) for back in range(BIRTHDAY_DAYS + 1)):
            after, more = 0, True
            while more:
                count, after, more = _give_birthday(merchant=one, day=day, after=after, at=at)
                given += count
    return given


@db.command
def _give_birthday(*, merchant: Merchant, day: date, after: int, at: datetime) -> tuple[int, int, bool]:
    """Give one day's birthday points to some customers with ids above `after`; say if there may be more."""
    celebrating = list(
        Customer.objects.filter(
            merchant=merchant,
            status=Customer.Status.ACTIVE,
            birthday__in=birthdays_on(day),
            birthday_set_at__lte=calendar.midnight(day, merchant.zone) - BIRTHDAY_NOTICE,
            pk__gt=after,
        )
        .order_by("pk")
        .values_list("pk", flat=True)[:BIRTHDAYS_AT_ONCE]
    )
    if not celebrating:
        return 0, after, False
    plan = programs.current(merchant=merchant)
    people = _found(merchant, plan, celebrating, at=at)
    names = {person.membership_id: f"birthday:{person.membership_id}:{day.year}" for person in people}
    said = _said(merchant, names.values())
    due = [person for person in people if names[person.membership_id] not in said]
    given = 0
    if due:
        noon = datetime.combine(day, time(12), tzinfo=plan.zone)
        work = _desk(merchant, [(person, noon) for person in due], at=at)
        # Behind the lock, so that of two jobs at once the second finds what the first wrote.
        said = _said(merchant, names.values())
        for person in due:
            name = names[person.membership_id]
            if name in said:
                continue
            before = len(work.notes)
            for rule in plan.events("birthday"):
                _give(work, plan, person, rule, at=at, reference=f"birthday:{day.year}", local=noon)
            if len(work.notes) > before:
                _remember(work, [name])
                given += 1
        desk.write(work)
    return given, celebrating[-1], len(celebrating) == BIRTHDAYS_AT_ONCE


def birthdays_on(day: date) -> list[str]:
    """Return the birthdays (`MM-DD`) that are celebrated on a day."""
    own = f"{day:%m-%d}"
    return [own, "02-29"] if calendar.in_year("02-29", day.year) == day and own != "02-29" else [own]


# --- what they share ----------------------------------------------------------------------------------


def by_merchant(touchpoints: Sequence[Touchpoint]) -> Mapping[Merchant, list[Touchpoint]]:
    """Return what is told about customers, by the merchant it is told to."""
    told: dict[Merchant, list[Touchpoint]] = {}
    for one in touchpoints:
        if one.customer_id is not None:
            told.setdefault(one.merchant, []).append(one)
    return told


def _plan(merchant: Merchant) -> Plan | None:
    # A shop without a program has nothing to give, and must not stop what is due at the others.
    try:
        return programs.current(merchant=merchant)
    except programs.NoProgram:
        return None


def people_of(
    merchant: Merchant, told: Sequence[Touchpoint], *, at: datetime
) -> tuple[Plan | None, dict[int, Person]]:
    """Return the plan and who these touchpoints are about, by the customer they name."""
    plan = _plan(merchant)
    if plan is None:
        return None, {}
    ids = sorted({one.customer_id for one in told if one.customer_id})
    found = lookup.people(merchant=merchant, plan=plan, asked=[(number, None) for number in ids], at=at)
    return plan, {
        number: person
        for number, person in zip(ids, found, strict=True)
        if person and person.status == Customer.Status.ACTIVE
    }


def _found(merchant: Merchant, plan: Plan, customers: Sequence[int], *, at: datetime) -> list[Person]:
    asked = [(number, None) for number in customers]
    return [one for one in lookup.people(merchant=merchant, plan=plan, asked=asked, at=at) if one is not None]


def _desk(merchant: Merchant, looks: Sequence[tuple[Person, datetime]], *, at: datetime) -> Desk:
    work = Desk(merchant=merchant, source=SOURCE, at=at, by=SOURCE)
    desk.gather(work, looks=looks)
    return work


def _said(merchant: Merchant, names: Iterable[str]) -> set[str]:
    source, params = db.given({"reference": "varchar"}, [(name,) for name in names])
    rows = db.ask(
        f"""
        SELECT r.reference FROM {source}
        JOIN loyalty_reference r ON r.merchant_id = %s AND r.source = %s AND r.kind = %s
             AND r.reference = given.reference
        """,
        [*params, merchant.pk, SOURCE, KIND],
    ).rows
    return {name for (name,) in rows}


def _remember(work: Desk, names: Iterable[str]) -> None:
    work.references += [
        known.reference_row(
            merchant_id=work.merchant.pk,
            source=SOURCE,
            kind=KIND,
            reference=name,
            # The program, and nobody: the hash of an erased person's e-mail must not lead back to their rows.
            target_id=work.plan.program_id,
            at=work.at,
        )
        for name in names
    ]


def _give(
    work: Desk,
    plan: Plan,
    person: Person,
    rule: PlanRule,
    *,
    at: datetime,
    reference: str,
    local: datetime | None = None,
) -> None:
    """
    Give one rule's points to one locked member, unless a condition or a cap says no.

    :param local: the time by which conditions and caps are judged, when it is not `at`
    """
    account, one = work.account(person.membership_id), work.standings[person.membership_id]
    local = local or plan.local(at)
    basket = Basket(
        currency=plan.currency,
        lines=[],
        local=local,
        tier=one.tier,
        segments=work.segments_of(plan, person.customer_id),
        purchases_before=account.purchases,
        times=one.times_of(rule, local.date()),
    )
    points = int(rule.plugin.worth(basket, rule.params) or 0)
    if rule.params.max_points is not None:
        points = min(points, rule.params.max_points)
    if not points or unmet(basket, rule.conditions):
        return
    kind = rule.plugin.kind
    reason = {"code": kind, "rule": rule.code, "points": points, "version": plan.version}
    work.book.earn(
        account,
        [awards.grant_of(plan, points, rule.code, at=at, days=rule.days_pending)],
        cause=Cause(occurred_at=at, reference=reference, reason=reason, by=work.by),
        kind="bonus",
    )
    one.count_rule(rule, points, local.date())
    data = {"rule": rule.code, "kind": kind, "points": points}
    work.note("bonus.given", customer_id=person.customer_id, at=at, data=data)
    if rule.qualifies:
        one.count_day(local.date(), plan.currency, points=points)
        before = one.tier
        if tiers.lift(plan, one, at=work.at, now=work.at):
            moved = {"from": before, "to": one.tier}
            work.note("tier.changed", customer_id=person.customer_id, at=at, data=moved)
