"""What a kind of reward is. Kinds are plain data: they import neither Django's models nor the clock."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Minor = Annotated[int, Field(ge=1, le=10**12)]
Text = Annotated[str, Field(max_length=120)]
Code = Annotated[str, Field(min_length=1, max_length=60)]
Worth = dict[str, Any]


class Params(BaseModel):
    """The settings that every kind has: none. A kind's own are its inputs in the admin and its fields in
    the program file."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Settings = Params


class Kind:
    """
    One kind of reward.

    `kind` is stored in the database: never rename it. With `makes_voucher` a redemption issues a voucher
    bound to the customer; with `needs_handing_over` it waits until staff hand the goods over; otherwise it is
    fulfilled at once.
    """

    kind: ClassVar[str]
    label: ClassVar[Any]
    makes_voucher: ClassVar[bool] = False
    needs_handing_over: ClassVar[bool] = False
    Params: ClassVar[type[Settings]] = Settings

    def worth(self, params: Any, *, name: str, currency: str) -> Worth:
        """
        Return what a till can act on: always a `kind` and a `name`, money in minor units of `currency`.

        It is kept with the redemption as it was promised; later changes of the reward do not change it.
        """
        return {"kind": self.kind, "name": name, **params.model_dump(mode="json", exclude_defaults=True)}
