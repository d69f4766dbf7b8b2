"""Households: people who share points in a pool."""

from typing import Annotated, Any

from pydantic import Field

from api import fields
from api.adjustments import named
from api.answers import Answer
from api.door import Door, call
from api.fields import Body, Reference
from api.household_shapes import HouseholdOut
from customers.models import Customer
from lib import public_ids
from lib.errors import NotFound
from loyalty import households
from loyalty.households import Pool
from loyalty.models import Household, HouseholdMember

STATUS = {"created": 201, "replayed": 200, "changed": 200, "read": 200}
SCOPES = ("points:adjust",)
TILL = HouseholdMember.Agreed.TILL


class HouseholdIn(Body):
    """A household and its first member, who stands at the till and agrees."""

    customer: Annotated[str, fields.text(60, least=1)]
    name: Annotated[str, fields.text(120)] = ""
    reference: Reference


class MemberIn(Body):
    """Somebody who stands at the till and agrees; or, with `invite`, is asked and says yes in the portal."""

    customer: Annotated[str, fields.text(60, least=1)]
    invite: bool = Field(False, description="Only ask: the customer accepts in the portal.")


class Households(Door):
    @call(scopes=SCOPES, body=HouseholdIn, answers={201: HouseholdOut, 200: HouseholdOut})
    def post(self, said: HouseholdIn) -> Answer:
        """
        Open a household, where the program has them (`households_not_allowed` otherwise).

        The first member is in it at once: staff saw them agree.
        """
        customer = named(self, said.customer)
        return self.do(
            lambda: households.create(
                customer=customer,
                name=said.name,
                reference=said.reference,
                at=self.at,
                by=self.by,
                agreed=TILL,
            ),
            show=answer,
        )


class OneHousehold(Door):
    @call(scopes=("points:adjust", "customers:read"), answers={200: HouseholdOut})
    def get(self, household: str) -> Answer:
        """Read a household: its members, and what its pool can spend."""
        return answer(households.read(household=named_household(self, household, pointer=""), at=self.at))


class CustomersHousehold(Door):
    @call(scopes=("points:adjust", "customers:read"), answers={200: HouseholdOut})
    def get(self, customer: str) -> Answer:
        """Read the household a customer is in; 404 when in none."""
        place = households.of(customer=named(self, customer, pointer=""))
        if place is None or place.joined_at is None:
            raise fields.missing()
        place.household.merchant = self.merchant
        return answer(households.read(household=place.household, at=self.at))


class Members(Door):
    @call(scopes=SCOPES, body=MemberIn, answers={200: HouseholdOut})
    def post(self, said: MemberIn, household: str) -> Answer:
        """Add a member who agrees at the till, or invite one. Repeating changes nothing."""
        mine = named_household(self, household, pointer="")
        customer = named(self, said.customer)
        if said.invite:
            return self.do(
                lambda: households.invite(household=mine, customer=customer, at=self.at, by=self.by),
                show=answer,
            )
        return self.do(
            lambda: households.accept(household=mine, customer=customer, at=self.at, by=self.by, agreed=TILL),
            show=answer,
        )


class OneMember(Door):
    @call(scopes=SCOPES, answers={200: HouseholdOut})
    def delete(self, household: str, customer: str) -> Answer:
        """
        Take a member out, or an invitation back. The pool keeps its points; repeating changes nothing.

        The last member first takes the points out (`household_not_empty`).
        """
        mine = named_household(self, household, pointer="")
        member = named(self, customer, pointer="")
        return self.do(
            lambda: households.leave(household=mine, customer=member, at=self.at, by=self.by), show=answer
        )


def named_household(door: Door, said: str, *, pointer: str = "/household") -> Household:
    """
    Return the caller's household of this id.

    :raises NotFound: it does not exist, or is somebody else's
    """
    number = fields.number(Household.prefix, said, pointer=pointer)
    try:
        return households.holder_of(merchant=door.merchant, household_id=number)
    except NotFound:
        raise fields.missing(pointer) from None


def answer(pool: Pool) -> Answer:
    return Answer(STATUS[pool.status], shown(pool))


def shown(pool: Pool) -> dict[str, Any]:
    """Return a household as it is answered."""
    return {
        "id": pool.household.public_id,
        "name": pool.household.name or None,
        "points": pool.points,
        "members": [
            {
                "customer": public_ids.show(Customer.prefix, one.customer.merged_into_id or one.customer_id),
                "status": "member" if one.joined_at else "invited",
                "agreed": one.agreed or None,
                "joined_at": one.joined_at,
            }
            for one in pool.members
        ],
        "reference": pool.household.reference,
        "created_at": pool.household.created_at,
    }
