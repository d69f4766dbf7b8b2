"""
Batches: what a till did while it was offline, up to a thousand events in one call.

Each event is answered for itself, and one bad event never spoils the rest. Neighbors of one type are done
together by the same set-based commands as everything else; the order of the events is kept.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from rest_framework.exceptions import PermissionDenied, Throttled

from api import auth, contacts, customers, errors, fields, redemptions, refunds, sales, touchpoints, vouchers
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Short, Time
from api.guessing import guarded
from api.shapes import BatchOut
from connectors import crm
from connectors.crm import Contact
from customers import identifiers
from customers import touchpoints as diary
from customers.models import Customer
from lib import cycles, db
from lib.errors import DomainError, Fault, Refused
from loyalty import members, purchases
from loyalty import refunds as returns
from merchants.models import Merchant
from rewards.codes import UnknownCode
from rewards.vouchers import UseReceipt

MOST_EVENTS = 1000
MOST_BYTES = 5 * 1024 * 1024
SCOPES = {
    "purchase": ("purchases:write",),
    "refund": ("purchases:write",),
    "redemption": ("rewards:write",),
    "touchpoint": ("customers:write",),
    "customer": ("customers:write",),
}
BODIES: dict[str, type[Body]] = {
    "purchase": sales.SaleIn,
    "refund": refunds.RefundIn,
    "redemption": redemptions.RedemptionIn,
    "touchpoint": touchpoints.TouchpointIn,
    "customer": customers.CustomerIn,
}
STATUS = {"created": "created", "replayed": "replayed", "unmatched": "parked", "parked": "parked"}

Result = dict[str, Any]


class InsufficientScope(Refused):
    code = "insufficient_scope"


class TooManyGuesses(Refused):
    code = "rate_limited"
    retryable = True


class EventIn(Body):
    """One event. `data` is what the single call of its type reads."""

    event_id: Annotated[str, fields.text(200, least=1)]
    type: Literal["purchase", "refund", "redemption", "touchpoint", "customer"]
    data: dict[str, Any]
    occurred_at: Time | None = Field(None, description="For data that does not say it.")
    device: Short = ""
    sequence: Annotated[int, Field(strict=True, ge=0, lt=1 << 53)] | None = None


class BatchIn(Body):
    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_EVENTS)] = Field(
        json_schema_extra={"items": EventIn.model_json_schema()}
    )


class Batches(Door):
    @call(
        scopes=("purchases:write", "customers:write", "rewards:write"),
        body=BatchIn,
        answers={200: BatchOut},
        moves_points=True,
        most_bytes=MOST_BYTES,
    )
    def post(self, said: BatchIn) -> Answer:
        """
        Send up to 1000 events at once.

        Each is answered as created, replayed, parked or rejected; a rejected one may be corrected and sent
        again. An event needs the scope of its type.
        """
        is_rehearsal = self.is_rehearsal
        with db.dry_run(is_rehearsal), cycles.unsearched():
            answer = Answer(200, {"results": _Run(self).results(said.events)})
        if is_rehearsal:
            answer.body["dry_run"] = True
            return answer
        return self.keep(answer)


class _Run:
    """One batch on its way through."""

    def __init__(self, door: Door):
        self.door = door
        self.merchant: Merchant = door.merchant

    def results(self, events: Sequence[dict[str, Any]]) -> list[Result]:
        found: list[Result] = [{} for _ in events]
        good: list[tuple[int, str, int | None, Any]] = []
        for place, raw in enumerate(events):
            try:
                kind, program, item = self._read(raw)
                good.append((place, kind, program, item))
            except ValidationError as error:
                found[place] = _rejected(errors.malformed(error, within=f"/events/{place}"))
            except _Bad as bad:
                found[place] = _rejected(bad.error, within=f"/events/{place}/data")
        for (kind, program), neighbors in groupby(good, key=lambda one: (one[1], one[2])):
            run = list(neighbors)
            try:
                done = getattr(self, f"_{kind}s")([item for *_, item in run], program)
            except DomainError as refusal:
                done = [refusal] * len(run)
            for (place, *_), one in zip(run, done, strict=True):
                found[place] = (
                    _rejected(one, within=f"/events/{place}/data") if isinstance(one, DomainError) else one
                )
        for raw, one in zip(events, found, strict=True):
            name = raw.get("event_id")
            one["event_id"] = name if isinstance(name, str) else None
        return found

    def _read(self, raw: dict[str, Any]) -> tuple[str, int | None, Any]:
        event = EventIn.model_validate(raw)
        try:
            if not auth.allows(self.door.key, SCOPES[event.type]):
                raise InsufficientScope(f"This key lacks the scope {SCOPES[event.type][0]}.")
            body = BODIES[event.type]
            if event.type == "customer" and "source" in event.data:
                body = contacts.ContactEventIn  # as a CRM knows them
            if event.type == "redemption" and "code" in event.data:
                body = vouchers.VoucherUsedIn  # a voucher that the till took while it was offline
            said = body.model_validate(event.data)
            at = event.occurred_at or self.door.at
            item: Any
            match said:
                case sales.SaleIn():
                    return event.type, sales.program(said), sales.sale(said, key=self.door.key, at=at)
                case refunds.RefundIn():
                    item = refunds.returned(said, at=at)
                case redemptions.RedemptionIn():
                    item = said
                case touchpoints.TouchpointIn():
                    # The event's own id keeps a touchpoint without a reference from being noted twice.
                    item = touchpoints.told(said, at=at, reference=f"event:{event.event_id}"[:200])
                case contacts.ContactEventIn():
                    return "contact", None, (said.source, contacts.contact(said))
                case customers.CustomerIn():
                    item = customers.newcomer(self.door, said)
                case vouchers.VoucherUsedIn():
                    item = (said, named(self.door, said.customer) if said.customer else None, at)
            return event.type, None, item
        except ValidationError as error:
            raise _Bad(errors.malformed(error)) from None
        except DomainError as error:
            raise _Bad(error) from None
        except PermissionDenied as error:
            raise _Bad(InsufficientScope(str(error.detail))) from None

    def _purchases(self, told: list[Any], program: int | None) -> list[Result | DomainError]:
        receipts = purchases.record_all(
            merchant=self.merchant, sales=told, at=self.door.at, by=self.door.by, program_id=program
        )
        return [one.error or _done(one.status, sales.receipt(self.merchant, one)) for one in receipts]

    def _refunds(self, told: list[Any], program: int | None) -> list[Result | DomainError]:
        receipts = returns.record_all(merchant=self.merchant, refunds=told, at=self.door.at, by=self.door.by)
        return [one.error or _done(one.status, refunds.shown(one)) for one in receipts]

    def _redemptions(self, told: list[Any], program: int | None) -> list[Result | DomainError]:
        """Redeem one after the other: the till promises nothing before it has the answer."""
        return [self._voucher(*one) if isinstance(one, tuple) else self._reward(one) for one in told]

    def _reward(self, said: redemptions.RedemptionIn) -> Result | DomainError:
        try:
            receipt = redemptions.redeem(self.door, said)
        except DomainError as refusal:
            return refusal
        return _done(receipt.status, redemptions.answer(receipt).body)

    def _touchpoints(self, told: list[Any], program: int | None) -> list[Result | DomainError]:
        noted = diary.record_all(merchant=self.merchant, told=told, at=self.door.at)
        return [one.error or _done(one.status, touchpoints.shown(one.row)) for one in noted]

    def _customers(self, told: list[members.Newcomer], program: int | None) -> list[Result | DomainError]:
        added = members.enroll_all(merchant=self.merchant, people=told, at=self.door.at, by=self.door.by)
        already = self._already(told, added)
        ids = [one.pk for one in added if isinstance(one, Customer)] + list(already.values())
        shapes = dict(zip(ids, customers.shown_all(self.door, ids), strict=True))
        results: list[Result | DomainError] = []
        for place, one in enumerate(added):
            if isinstance(one, Customer):
                results.append(_done("created", shapes[one.pk]))
            elif place in already:
                results.append(_done("replayed", shapes[already[place]]))
            else:
                results.append(one)
        return results

    def _contacts(self, told: list[tuple[str, Contact]], program: int | None) -> list[Result | DomainError]:
        results: list[Result | DomainError] = []
        for source, run in groupby(told, key=lambda one: one[0]):
            upserted = crm.upsert_all(
                merchant=self.merchant,
                source=source,
                contacts=[one for _, one in run],
                at=self.door.at,
                by=self.door.by,
            )
            ids = list({one.customer_id for one in upserted if one.customer_id is not None})
            shapes = dict(zip(ids, customers.shown_all(self.door, ids), strict=True))
            for one in upserted:
                results.append(
                    one.error
                    or _done(
                        "replayed" if one.status == "unchanged" else "created",
                        contacts.shown(one, shapes[one.customer_id or 0]),
                    )
                )
        return results

    def _voucher(
        self, said: vouchers.VoucherUsedIn, customer: Customer | None, at: Any
    ) -> Result | DomainError:
        def use() -> UseReceipt:
            return vouchers.redeemed(self.door, said, code=said.code, customer=customer, occurred_at=at)

        try:
            receipt = guarded(self.door.key, use)
        except UnknownCode as unknown:
            return type(unknown)(str(unknown), faults=[Fault("/code", unknown.code, "is no code of ours")])
        except DomainError as refusal:
            return refusal
        except Throttled as limit:
            return TooManyGuesses(str(limit.detail))
        return _done(receipt.status, vouchers.used(receipt, at=self.door.at))

    def _already(self, told: Sequence[members.Newcomer], added: Sequence[Any]) -> dict[int, int]:
        """Return who is here already with all these identifiers: the event was sent before."""
        taken = [place for place, one in enumerate(added) if isinstance(one, identifiers.IdentifierTaken)]
        given = [(place, one) for place in taken for one in told[place].identifiers]
        owners: dict[int, set[int | None]] = {}
        found = identifiers.resolve(merchant=self.merchant, given=[one for _, one in given])
        for (place, _), owner in zip(given, found, strict=True):
            owners.setdefault(place, set()).add(owner)
        alone = {place: next(iter(who)) for place, who in owners.items() if len(who) == 1}
        return {place: owner for place, owner in alone.items() if owner is not None}


class _Bad(Exception):
    def __init__(self, error: DomainError):
        super().__init__(str(error))
        self.error = error


def _done(status: str, result: dict[str, Any]) -> Result:
    return {"event_id": None, "status": STATUS[status], "result": result}


def _rejected(error: DomainError, *, within: str = "") -> Result:
    return {"event_id": None, "status": "rejected", "error": errors.item(error, within=within)}
