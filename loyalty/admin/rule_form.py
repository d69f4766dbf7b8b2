"""
The form of an earning rule, made from its plugin's settings: a new plugin file needs no form code.

Money is typed as people write it and kept in minor units: a setting whose name ends in `_minor` is money,
a map that ends so is a list of rates, one currency a row.
"""

import types
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError as Wrong
from pydantic.fields import FieldInfo

from lib import money
from lib.admin import OneMerchantForm, dress_input
from loyalty import program_rows
from loyalty.earning import Params
from loyalty.models import EarningRule

# Where the settings that every rule has stand on the page; a plugin's own come first.
GROUPS: list[tuple[Any, tuple[str, ...]]] = [
    (_("When"), ("from_", "until", "weekdays", "time_from", "time_until")),
    (
        _("For what and for whom"),
        ("min_amount_minor", "categories", "tiers", "segments", "stores", "channels"),
    ),
    (_("Limits"), ("cap_per_day", "cap_per_month", "cap_per_year", "cap_ever", "max_points", "group")),
    (_("When the points can be used"), ("pending_days", "on_event", "qualifies")),
]
LABELS = {
    "points": _("Points"), "per_minor": _("For so much money"), "factor": _("Factor"),
    "touchpoint": _("Touchpoint"),
    "from_": _("First day"), "until": _("Last day"), "weekdays": _("Days of the week"),
    "time_from": _("From (time)"), "time_until": _("Until (time)"), "categories": _("Categories"),
    "tiers": _("Tiers"), "segments": _("Segments"), "stores": _("Stores"), "channels": _("Channels"),
    "min_amount_minor": _("Smallest amount"), "group": _("Group"), "pending_days": _("Days pending"),
    "on_event": _("Wait for release"), "cap_per_day": _("Times a day"), "cap_per_month": _("Times a month"),
    "cap_per_year": _("Times a year"), "cap_ever": _("Times in all"), "max_points": _("Most points"),
    "qualifies": _("Counts for tiers"),
}  # fmt: skip
WEEKDAYS = {
    "mon": _("Monday"), "tue": _("Tuesday"), "wed": _("Wednesday"), "thu": _("Thursday"),
    "fri": _("Friday"), "sat": _("Saturday"), "sun": _("Sunday"),
}  # fmt: skip
MOST_RATES = 4


class Names(forms.CharField):
    """Several names in one line, separated by commas."""

    def to_python(self, value: Any) -> Any:
        return [name.strip() for name in (value or "").split(",") if name.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value


class Money(forms.DecimalField):
    """An amount as people write it, kept in minor units of the merchant's currency."""

    def __init__(self, *, currency: str, **kwargs: Any):
        self.digits = money.minor_digits(currency)
        super().__init__(decimal_places=self.digits, max_digits=14, **kwargs)

    def clean(self, value: Any) -> Any:
        amount = super().clean(value)
        return None if amount is None else int(amount.scaleb(self.digits))

    def prepare_value(self, value: Any) -> Any:
        return Decimal(value).scaleb(-self.digits) if isinstance(value, int) else value


class RatesInput(forms.MultiWidget):
    """Rows of a currency and an amount."""

    def __init__(self) -> None:
        rows = []
        for number in range(1, MOST_RATES + 1):
            currency, amount = say("Currency %(n)s") % {"n": number}, say("Amount %(n)s") % {"n": number}
            rows += [
                forms.TextInput(
                    {
                        "aria-label": currency,
                        "placeholder": "EUR",
                        "maxlength": "3",
                        "autocapitalize": "characters",
                    }
                ),
                forms.TextInput({"aria-label": amount, "placeholder": "1.00", "inputmode": "decimal"}),
            ]
        super().__init__(rows)
        dress_input(self)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        parts = [
            self._render(part["template_name"], {"widget": part}, renderer)  # type: ignore[attr-defined]
            for part in self.get_context(name, value, attrs)["widget"]["subwidgets"]
        ]
        rows = format_html_join("", "<span>{}{}</span>", zip(parts[::2], parts[1::2], strict=True))
        return format_html('<span class="l-rates">{}</span>', rows)

    def decompress(self, value: Any) -> list[Any]:
        flat: list[Any] = []
        for currency, minor in (value or {}).items():
            flat += [currency, f"{Decimal(minor).scaleb(-money.minor_digits(currency)):f}"]
        return flat + [""] * (2 * MOST_RATES - len(flat))


class Rates(forms.Field):
    """How much money in each currency, as a map of minor units."""

    widget = RatesInput

    def clean(self, value: Any) -> dict[str, int]:
        rates: dict[str, int] = {}
        for currency, amount in zip(value[::2], value[1::2], strict=True):
            code = (currency or "").strip().upper()
            if not code and not (amount or "").strip():
                continue
            if not money.is_known(code):
                raise forms.ValidationError(
                    _("%(code)s is not a currency code, like EUR."), params={"code": code or "–"}
                )
            rates[code] = self._minor(code, amount)
        if not rates and self.required:
            raise forms.ValidationError(_("Say for how much money, in at least one currency."))
        return rates

    def _minor(self, code: str, amount: Any) -> int:
        try:
            minor = Decimal((amount or "").strip().replace(",", ".")).scaleb(money.minor_digits(code))
        except ArithmeticError:
            minor = Decimal(0)
        if minor <= 0 or minor != int(minor):
            raise forms.ValidationError(
                _("%(code)s needs an amount above zero with at most %(digits)s decimals."),
                params={"code": code, "digits": money.minor_digits(code)},
            )
        return int(minor)


class RuleForm(OneMerchantForm):
    """An earning rule with the settings of its kind as inputs."""

    kind = ""
    model_of_params: type[Params] = Params

    class Meta:
        model = EarningRule
        fields = ["program", "code", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for name, info in self.model_of_params.model_fields.items():
            stored = (self.instance.params or {}).get(info.alias or name)
            if stored is not None:
                self.initial[input_name(name)] = stored

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        params = {
            name: said[input_name(name)]
            for name in self.model_of_params.model_fields
            if said.get(input_name(name)) not in (None, "", [], {})
        }
        try:
            params = program_rows.params(self.kind, params)
        except Wrong as error:
            self._explain(error)
        else:
            self.instance.kind = self.kind
            self.instance.params = params
        return said

    def _explain(self, error: Wrong) -> None:
        for fault in error.errors(include_url=False):
            name = next(
                (
                    input_name(name)
                    for name, info in self.model_of_params.model_fields.items()
                    if fault["loc"] and fault["loc"][0] in (name, info.alias)
                ),
                None,
            )
            if name in self.errors:
                continue
            self.add_error(name if name in self.fields else None, in_plain_words(fault))


def in_plain_words(fault: Mapping[str, Any]) -> str:
    """Return one fault of the settings as a sentence."""
    limits = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return say("This is needed.")
        case "greater_than":
            return say("Must be more than %(limit)s.") % {"limit": limits["gt"]}
        case "greater_than_equal":
            return say("Must be at least %(limit)s.") % {"limit": limits["ge"]}
        case "less_than":
            return say("Must be less than %(limit)s.") % {"limit": limits["lt"]}
        case "less_than_equal":
            return say("Must be at most %(limit)s.") % {"limit": limits["le"]}
        case "string_too_long":
            return say("At most %(limit)s characters.") % {"limit": limits["max_length"]}
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def input_name(name: str) -> str:
    """Return the name of a setting's input: apart from the rule's own columns."""
    return f"set_{name.strip('_')}"


def inputs(model: type[Params], *, currency: str) -> dict[str, forms.Field]:
    """Return an input for each setting of a plugin."""
    return {
        input_name(name): field_for(name, info, currency=currency)
        for name, info in model.model_fields.items()
    }


def fieldsets(model: type[Params], said: Mapping[str, Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Return the settings of a plugin by group: its own first, then the common ones, closed while unused."""
    grouped = {name for _, names in GROUPS for name in names}
    own = [input_name(name) for name in model.model_fields if name not in grouped]
    groups: list[tuple[Any, dict[str, Any]]] = [(_("What it gives"), {"fields": own})] if own else []
    for title, names in GROUPS:
        there = [input_name(name) for name in names if name in model.model_fields]
        is_used = any((model.model_fields[name].alias or name) in said for name in names)
        if there:
            groups.append((title, {"fields": there, "classes": [] if is_used else ["collapse"]}))
    return groups


def field_for(name: str, info: FieldInfo, *, currency: str) -> forms.Field:
    """Return the input that fits a setting's type."""
    kind, is_list, choices = _shape(info.annotation)
    common: dict[str, Any] = {
        "label": LABELS.get(name, name.strip("_").replace("_", " ").capitalize()),
        "help_text": info.description or "",
        "required": info.is_required(),
    }
    if info.default not in (None, "", (), False) and not info.is_required():
        common["initial"] = info.default
    if kind is dict:
        common["help_text"] = say("Currency and amount, like EUR 1.00.")
        return Rates(**common)
    if is_list and choices:
        shown = [(value, WEEKDAYS.get(value, value)) for value in choices]
        return forms.MultipleChoiceField(choices=shown, widget=forms.CheckboxSelectMultiple, **common)
    if is_list:
        common["help_text"] = f"{common['help_text']} {say('Separate several with commas.')}"
        return Names(**common)
    if choices:
        return forms.ChoiceField(choices=[(value, value) for value in choices], **common)
    if kind is int and name.endswith("_minor"):
        common["help_text"] = say("In %(currency)s. 0: any amount.") % {"currency": currency}
        return Money(currency=currency, min_value=Decimal(0), **common)
    return _plain(kind, info, common)


def _plain(kind: Any, info: FieldInfo, common: dict[str, Any]) -> forms.Field:
    if kind is bool and info.default is None:
        answers = [("", _("As usual")), (True, _("Yes")), (False, _("No"))]
        return forms.TypedChoiceField(
            choices=answers, coerce=lambda text: text == "True", empty_value=None, **common
        )
    if kind is bool:
        return forms.BooleanField(**{**common, "required": False})
    if kind is int:
        return forms.IntegerField(**common, **_bounds(info))
    if kind is Decimal:
        return forms.DecimalField(**common)
    if kind is date:
        return forms.DateField(widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"), **common)
    if kind is time:
        return forms.TimeField(widget=forms.TimeInput({"type": "time"}, format="%H:%M"), **common)
    return forms.CharField(max_length=200, **common)


def _bounds(info: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for limit in _metadata(info.annotation, info.metadata):
        for attribute, name in (("ge", "min_value"), ("le", "max_value")):
            if (value := getattr(limit, attribute, None)) is not None:
                found[name] = value
    return found


def _metadata(annotation: Any, found: Iterable[Any]) -> list[Any]:
    """Return the limits of a type: pydantic leaves those of an optional one inside its annotation."""
    limits = list(found)
    for part in get_args(annotation):
        if get_origin(part) is Annotated:
            limits += [limit for extra in part.__metadata__ for limit in getattr(extra, "metadata", [extra])]
    return limits


def _shape(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Return a setting's type, whether it is a list, and what may be chosen."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(parts[0])
    if origin in (Union, types.UnionType):
        return _shape(next(part for part in parts if part is not type(None)))
    if origin in (tuple, list):
        kind, _list, choices = _shape(parts[0])
        return kind, True, choices
    if origin is Literal:
        return str, False, parts
    return (origin or annotation), False, ()


def dress_inputs(form: Any) -> None:
    """Give the settings' inputs of a form class the theme's looks (the rule's own columns have them)."""
    for name, field in form.base_fields.items():
        if name.startswith("set_"):
            dress_input(field.widget)
