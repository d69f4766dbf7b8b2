"""The `rewards` of a program file: what points buy, with how many there are of it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from lib import db
from loyalty import calendar
from loyalty.models import Program
from merchants.models import Merchant
from rewards import catalogue
from rewards.kinds import KINDS
from rewards.models import Reward

Items = list[dict[str, Any]]
MOST = 1000

Slug = Annotated[str, StringConstraints(pattern=r"^[-a-zA-Z0-9_]{1,60}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


def _https(address: str) -> str:
    if not address.startswith(("https://", "http://")):
        raise PydanticCustomError("address", "must be an address that begins with https://")
    return address


class Item(BaseModel):
    """The part that every reward has; the rest is its kind's (`rewards.kinds`)."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, populate_by_name=True)

    id: Slug
    name: Text
    cost: Annotated[int, Field(ge=0, le=1_000_000_000)]
    kind: Annotated[str, StringConstraints(min_length=1, max_length=30)]
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    valid_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    stock: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    per_customer: Count | None = None
    per_day: Count | None = None
    tiers: Annotated[list[Short], Field(max_length=50)] = []
    segments: Annotated[list[Short], Field(max_length=50)] = []
    from_: date | None = Field(None, alias="from")
    until: date | None = None
    image: Annotated[str, StringConstraints(max_length=500), AfterValidator(_https)] | None = None

    @model_validator(mode="after")
    def _is_one_of_its_kind(self) -> Self:
        known = KINDS.load().get(self.kind)
        if known is None:
            raise PydanticCustomError(
                "reward", f"there is no kind {self.kind!r}. Known: {', '.join(sorted(KINDS))}."
            )
        if self.kind == "points_as_payment" and not self.cost:
            raise PydanticCustomError("reward", "points_as_payment needs a `cost`: the points of one step")
        if self.from_ and self.until and self.from_ > self.until:
            raise PydanticCustomError("reward", f"until {self.until} is before `from`, {self.from_}")
        known.Params.model_validate(self.__pydantic_extra__ or {})
        return self

    def plain(self) -> dict[str, Any]:
        """Return what is said, normalized: what goes without saying is left out."""
        own = {"id", "name", "cost", "kind"}
        rest = self.model_dump(mode="json", by_alias=True, exclude=own, exclude_defaults=True)
        extra = set(self.__pydantic_extra__ or {})
        return {
            **self.model_dump(include=own),
            **{name: value for name, value in rest.items() if name not in extra},
            **settings(self.kind, self.__pydantic_extra__ or {}),
        }


COMMON = {field.alias or name for name, field in Item.model_fields.items()}


def settings(kind: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a kind's settings normalized, without those that say nothing.

    :raises pydantic.ValidationError: they are not what the kind takes
    """
    read = KINDS[kind].Params.model_validate(dict(told))
    said: dict[str, Any] = read.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return said


class Rewards:
    name = "rewards"
    model: type[BaseModel] = Item

    def read(self, raw: Any, *, env: Mapping[str, str] | None) -> Items:
        if not isinstance(raw, list):
            TypeAdapter(list[Item]).validate_python(raw)
        faults: list[InitErrorDetails] = []
        items: Items = []
        seen: set[str] = set()
        for place, one in enumerate(raw):
            try:
                item = Item.model_validate(one)
            except ValidationError as error:
                faults += _within(error, place, one)
                continue
            if item.id in seen:
                twice = PydanticCustomError("twice", f"two rewards have the id {item.id!r}: change one")
                faults.append({"type": twice, "loc": (place, "id"), "input": item.id})
            seen.add(item.id)
            items.append(item.plain())
        if faults:
            raise ValidationError.from_exception_data("rewards", faults)
        return items

    def current(self, *, merchant: Merchant, program: Program) -> Items:
        rows = Reward.objects.filter(program=program, is_active=True).order_by("position", "pk")
        return [shown(row, merchant) for row in rows]

    @db.inside_transaction
    def save(self, *, merchant: Merchant, program: Program, wanted: Items, at: datetime, by: str) -> None:
        own = {one.code: one for one in Reward.objects.filter(program=program)}
        for place, item in enumerate(wanted):
            reward = own.pop(item["id"], None) or Reward(
                merchant=merchant, program=program, code=item["id"], stock_total=item.get("stock")
            )
            _fill(reward, item, merchant)
            reward.position, reward.is_active = place, True
            catalogue.keep(reward)
            catalogue.restock(reward=reward, total=item.get("stock"))
        for reward in own.values():
            if reward.is_active:
                reward.is_active = False
                catalogue.keep(reward)


def _within(error: ValidationError, place: int, told: Any) -> list[InitErrorDetails]:
    """Return the faults of one item with its place in the list before theirs."""
    faults: list[InitErrorDetails] = []
    for fault in error.errors(include_url=False):
        message = fault["msg"].replace("{", "{{")
        if fault["type"] == "missing" and fault["loc"] and fault["loc"][-1] not in COMMON:
            message = f"kind {told['kind']} needs {fault['loc'][-1]!r}: add it"
        kind = PydanticCustomError(fault["type"], message, fault.get("ctx") or {})
        faults.append({"type": kind, "loc": (place, *fault["loc"]), "input": fault["input"]})
    return faults


def shown(reward: Reward, merchant: Merchant) -> dict[str, Any]:
    """Return a reward as the file says it. `stock` is how many there are in all, those redeemed included."""
    zone = merchant.zone
    told = {
        "description": reward.description,
        "valid_days": reward.valid_days,
        "stock": reward.stock_total,
        "per_customer": reward.per_customer,
        "per_day": reward.per_day,
        "tiers": reward.tiers,
        "segments": reward.segments,
        "from": reward.starts_at.astimezone(zone).date().isoformat() if reward.starts_at else None,
        "until": _last_day(reward, merchant),
        "image": reward.image_url,
    }
    return {
        "id": reward.code,
        "name": reward.name,
        "cost": reward.cost,
        "kind": reward.kind,
        **{name: value for name, value in told.items() if value not in (None, "", [])},
        **reward.params,
    }


def _last_day(reward: Reward, merchant: Merchant) -> str | None:
    if reward.ends_at is None:
        return None
    return (reward.ends_at - timedelta(microseconds=1)).astimezone(merchant.zone).date().isoformat()


def _fill(reward: Reward, item: Mapping[str, Any], merchant: Merchant) -> None:
    reward.name, reward.kind, reward.cost = item["name"], item["kind"], item["cost"]
    reward.description, reward.image_url = item.get("description", ""), item.get("image", "")
    reward.valid_days = item.get("valid_days")
    reward.per_customer, reward.per_day = item.get("per_customer"), item.get("per_day")
    reward.tiers, reward.segments = item.get("tiers", []), item.get("segments", [])
    reward.params = {name: value for name, value in item.items() if name not in COMMON}
    first, last = item.get("from"), item.get("until")
    # A time of day that staff chose stays while the file says the same day.
    now = shown(reward, merchant)
    if first != now.get("from"):
        reward.starts_at = calendar.midnight(date.fromisoformat(first), merchant.zone) if first else None
    if last != now.get("until"):
        day = date.fromisoformat(last) + timedelta(days=1) if last else None
        reward.ends_at = calendar.midnight(day, merchant.zone) if day else None


SECTION = Rewards()
