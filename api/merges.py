"""Two customers that are one person: merged, and merged no longer."""

from typing import Annotated

from api import fields
from api.answers import Answer
from api.door import Door, call
from api.fields import Body
from api.merge_shapes import MergeOut
from customers.models import Customer
from lib import public_ids
from loyalty import merges
from loyalty.merges import MergeReceipt
from loyalty.models import Merge

STATUS = {"created": 201, "replayed": 200}


class MergeIn(Body):
    """`source` becomes another name of `target`."""

    source: Annotated[str, fields.text(60, least=1)]
    target: Annotated[str, fields.text(60, least=1)]
    reason: Annotated[str, fields.text(200, least=1)]


class Merges(Door):
    @call(
        scopes=("points:adjust",),
        body=MergeIn,
        answers={201: MergeOut, 200: MergeOut},
        moves_points=True,
    )
    def post(self, said: MergeIn) -> Answer:
        """
        Merge two customers that are one person.

        Points, debt and what counts for tiers go to the target, the higher tier wins, and whatever finds the
        source finds the target. It can be undone for 90 days.
        """
        source, target = _named(self, said.source, "/source"), _named(self, said.target, "/target")
        return self.do(
            lambda: merges.merge(source=source, target=target, reason=said.reason, at=self.at, by=self.by),
            show=lambda receipt: _answer(STATUS[receipt.status], receipt),
        )


class OneMerge(Door):
    @call(scopes=("points:adjust",), answers={200: MergeOut}, moves_points=True)
    def delete(self, merge: str) -> Answer:
        """
        Undo a merge.

        What is left of the points that came with the source goes back to it; what was spent stays spent.
        After 90 days it is 422 `merge_too_old`.
        """
        number = fields.number("mrg", merge)
        found = Merge.objects.filter(merchant=self.merchant, pk=number).first()
        if found is None:
            raise fields.missing()
        return self.do(
            lambda: merges.unmerge(merge=found, at=self.at, by=self.by),
            show=lambda receipt: _answer(200, receipt),
        )


def _named(door: Door, said: str, pointer: str) -> Customer:
    """Return the caller's customer that the body names: the very one, also when it is merged or erased."""
    number = fields.number("cus", said, pointer=pointer)
    found = Customer.objects.filter(merchant=door.merchant, pk=number).first()
    if found is None or found.status == Customer.Status.HOUSEHOLD:
        raise fields.missing(pointer)
    found.merchant = door.merchant
    return found


def _answer(status: int, receipt: MergeReceipt) -> Answer:
    merge = receipt.merge
    body = {
        "id": merge.public_id,
        "status": "undone" if merge.undone_at else "merged",
        "source": public_ids.show("cus", merge.source_id),
        "target": public_ids.show("cus", merge.target_id),
        "reason": merge.reason,
        "points": receipt.points,
        "pending": receipt.pending,
        "debt": receipt.debt,
        "tier_before": receipt.tier_before or None,
        "tier": receipt.tier or None,
        "balance": receipt.balance,
        "merged_at": merge.merged_at,
        "undone_at": merge.undone_at,
    }
    return Answer(status, body, customer_id=merge.target_id)
