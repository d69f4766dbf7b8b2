"""What a customer's points did, and everything else that can be read of one customer."""

from typing import Any

from django.utils import translation

from api import fields
from api.answers import Answer
from api.customers import own
from api.door import Door, call
from api.shapes import BalanceOut, EntryOut, ExportOut, TimelineOut
from customers import erasure, merging
from customers.models import Customer, Touchpoint
from lib import public_ids
from loyalty import balances, ledger, members, programs, statement

PROGRAM = {"program": "The program's id; by default the only or first one."}


class Balance(Door):
    """What a customer has."""

    @call(scopes=("customers:read",), answers={200: BalanceOut}, parameters=PROGRAM)
    def get(self, customer: str) -> Answer:
        """Read a customer's points and tier as they stand now."""
        found = balances.balance(
            merchant=self.merchant,
            customer_id=fields.number("cus", customer),
            at=self.at,
            program_id=_program(self),
        )
        return Answer(200, found)


class Entries(Door):
    @call(scopes=("customers:read",), answers={200: EntryOut}, parameters=PROGRAM, orderings=("-sequence",))
    def get(self, customer: str) -> Answer:
        """
        List a customer's entries, newest first: the statement.

        `reason` is a sentence in the customer's language.
        """
        mine = own(self, customer)
        plan = programs.current(merchant=self.merchant, program_id=_program(self))
        membership = members.membership(customer=mine, program=plan)
        rows = ledger.entries(merchant_id=self.merchant.pk, memberships=[membership.pk])
        return self.listed(rows, shape=lambda rows: self._shown(rows, mine, plan.points_name))

    def _shown(self, rows: list[Any], customer: Customer, points_name: str) -> list[dict[str, Any]]:
        language = customer.language or self.merchant.language
        with translation.override(language):
            return [entry(row, language=language, points_name=points_name) for row in rows]


class Export(Door):
    @call(scopes=("customers:export",), answers={200: ExportOut})
    def get(self, customer: str) -> Answer:
        """Read everything that is kept about a customer."""
        return Answer(200, erasure.export(customer=own(self, customer)))


class Timeline(Door):
    @call(scopes=("customers:read",), answers={200: TimelineOut}, orderings=("-occurred_at",))
    def get(self, customer: str) -> Answer:
        """List what happened with a customer, newest first."""
        everybody = merging.everybody(own(self, customer))
        rows = Touchpoint.objects.filter(merchant=self.merchant, customer__in=everybody)
        return self.listed(rows, shape=lambda rows: [_moment(row) for row in rows])


def entry(row: Any, *, language: str, points_name: str) -> dict[str, Any]:
    """Return an entry as it is answered."""
    return {
        "id": public_ids.show("ent", row.pk),
        "kind": row.kind,
        "points": row.points,
        "pending": row.pending,
        "balance_after": row.balance_after,
        "reason": statement.sentence(row, language=language, points_name=points_name),
        "reference": row.reference,
        "lots": [
            {"id": public_ids.show("lot", number), "points": points, "pending": pending}
            for number, points, pending in row.lots
        ],
        "occurred_at": row.occurred_at,
        "created_at": row.created_at,
    }


def _moment(row: Touchpoint) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "kind": row.kind,
        "channel": row.channel,
        "reference": row.reference or None,
        "data": row.data,
        "occurred_at": row.occurred_at,
    }


def _program(door: Door) -> int | None:
    said = door.request._request.GET.get("program")
    return None if said is None else fields.number("prg", said, pointer="/query/program")
