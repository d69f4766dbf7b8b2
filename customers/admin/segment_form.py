"""
The form of a segment: its own columns, and one small form per condition, made from the condition's settings.

A new kind of condition needs no form code. Rules with a tree inside the tree come from the program file:
they are shown and edited as text.
"""

import json
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from django import forms
from django.http import QueryDict
from django.utils.functional import cached_property
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from pydantic.fields import FieldInfo

from customers import segment_rules
from customers.models import FACES, Segment
from customers.segment_rules import BadRule, Rule
from lib.admin import dress
from merchants.models import Merchant

LABELS = {
    "at_least": _("At least"), "at_most": _("At most"), "days": _("In so many days"), "tiers": _("Tiers"),
    "count": _("What is counted"), "groups": _("Groups"), "categories": _("Categories"),
    "stores": _("Stores"), "stages": _("Stages"), "name": _("Kind"), "channel": _("Channel"),
    "purpose": _("Purpose"), "months": _("Months"), "languages": _("Languages"), "role": _("Who"),
    "states": _("States"),
}  # fmt: skip


class Names(forms.CharField):
    """Several names or numbers in one line, separated by commas."""

    def to_python(self, value: Any) -> Any:
        return [name.strip() for name in (value or "").split(",") if name.strip()]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else value


def field_for(name: str, info: FieldInfo) -> forms.Field:
    """Return the input that fits a setting's type."""
    kind, is_list, choices = _shape(info.annotation)
    common: dict[str, Any] = {
        "label": LABELS.get(name, name.replace("_", " ").capitalize()),
        "help_text": say(info.description or ""),
        "required": info.is_required(),
    }
    if not info.is_required() and info.default not in (None, ()):
        common["initial"] = info.default
    if choices:
        shown = [(value, str(value).replace("_", " ").capitalize()) for value in choices]
        if is_list:
            return forms.MultipleChoiceField(choices=shown, widget=forms.CheckboxSelectMultiple, **common)
        return forms.ChoiceField(choices=shown, **common)
    if is_list:
        common["help_text"] = f"{common['help_text']} {say('Separate several with commas.')}"
        return Names(**common)
    if kind is int:
        return forms.IntegerField(**common)
    return forms.CharField(max_length=60, **common)


def _shape(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """Return the plain type of an annotation, whether it is a list of them, and the choices it leaves."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(one for one in get_args(annotation) if one is not type(None))
        return _shape(annotation)
    if get_origin(annotation) is tuple:
        kind, _is_list, choices = _shape(get_args(annotation)[0])
        return kind, True, choices
    if get_origin(annotation) is Literal:
        return str, False, get_args(annotation)
    return annotation, False, ()


class ConditionForm(forms.Form):
    """One condition: the settings of its kind, and whether it is turned around."""

    is_not = forms.BooleanField(label=_("Turn it around: those who do not"), required=False)

    def __init__(self, kind: str, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.kind, self.predicate = kind, segment_rules.predicates()[kind]
        for name, info in self.predicate.Params.model_fields.items():
            self.fields[name] = field_for(name, info)
        self.order_fields([*self.predicate.Params.model_fields, "is_not"])
        dress(self)

    @property
    def label(self) -> Any:
        return self.predicate.label

    @property
    def about(self) -> str:
        return say(" ".join((self.predicate.__doc__ or "").split()))

    def rule(self) -> Rule:
        said = {
            name: self.cleaned_data[name]
            for name in self.predicate.Params.model_fields
            if self.cleaned_data.get(name) not in (None, "", [])
        }
        rule = {"kind": self.kind, **said}
        return {"not": rule} if self.cleaned_data.get("is_not") else rule


class SegmentForm(forms.ModelForm):  # type: ignore[type-arg]
    """The columns of a segment, and how its conditions belong together."""

    match = forms.ChoiceField(
        label=_("Customers who meet"),
        choices=[("all", _("all of these conditions")), ("any", _("any of these conditions"))],
        required=False,
    )
    text = forms.CharField(label=_("Rule"), required=False, widget=forms.Textarea({"rows": 12}))

    class Meta:
        model = Segment
        fields = ["merchant", "name", "code", "description", "is_persona", "face", "is_active"]
        widgets = {"description": forms.Textarea({"rows": 2})}
        help_texts = {
            "code": _("How rules, rewards and the program file name it, like regulars."),
            "is_persona": _("It stands for a person in reports and on the journey map, with a face."),
        }

    def __init__(self, *args: Any, merchants: Iterable[Merchant], **kwargs: Any):
        super().__init__(*args, **kwargs)
        own = list(merchants)
        field: Any = self.fields["merchant"]
        field.queryset = Merchant.objects.filter(pk__in=[one.pk for one in own])
        self.merchant = self.instance.merchant if self.instance.merchant_id else own[0] if own else None
        if len(own) == 1 or self.instance.pk:
            del self.fields["merchant"]
            self.instance.merchant = self.merchant
        self.fields["face"] = forms.ChoiceField(
            label=_("Face"), required=False, choices=[("", _("none")), *((face, face) for face in FACES)]
        )
        dress(self)


class Builder:
    """
    A segment's form with its conditions, as it was stored or as it was sent: buttons add and remove
    conditions without saving anything.
    """

    def __init__(self, data: QueryDict | None, segment: Segment, merchants: Iterable[Merchant]):
        self.data = data
        parts = flat(segment.rule)
        self.is_text = parts is None if data is None else "is_text" in data
        stored = {
            "match": parts[0] if parts else "all",
            "text": json.dumps(segment.rule, indent=2, ensure_ascii=False),
        }
        self.form = SegmentForm(data, instance=segment, merchants=merchants, initial=stored)
        self.conditions = self._stored(parts[1] if parts else []) if data is None else self._sent(data)

    def _stored(self, rules: list[Rule]) -> list[ConditionForm]:
        made = []
        for place, rule in enumerate(rules):
            inner = rule.get("not", rule)
            made.append(
                ConditionForm(inner["kind"], prefix=f"c{place}", initial={**inner, "is_not": "not" in rule})
            )
        return made

    def _sent(self, data: QueryDict) -> list[ConditionForm]:
        known, made = segment_rules.predicates(), []
        dropped = data.get("drop")
        for place in range(segment_rules.MOST):
            kind = data.get(f"kind-{place}", "")
            if kind in known and str(place) != dropped:
                made.append((ConditionForm(kind, data, prefix=f"c{place}"), place))
        forms_made = [form for form, _ in made]
        if "add" in data and data.get("new") in known:
            free = max((place for _, place in made), default=-1) + 1
            forms_made.append(ConditionForm(str(data["new"]), prefix=f"c{free}"))
        return forms_made

    @property
    def kinds(self) -> list[tuple[str, Any]]:
        return [(kind, one.label) for kind, one in segment_rules.predicates().items()]

    @cached_property
    def rule(self) -> Rule | None:
        """The rule that is asked for; None where it cannot be read: the forms say why."""
        if self.data is None:
            return self.form.instance.rule or {"all": []}
        try:
            return self._read()
        except BadRule as refusal:
            for fault in refusal.faults:
                self.form.add_error(
                    "text" if self.is_text else None, f"{fault.pointer} {fault.detail}".strip()
                )
        return None

    @property
    def merchant(self) -> Merchant | None:
        """Whose customers are counted: the chosen merchant's."""
        chosen = (
            self.form.cleaned_data.get("merchant") if self.form.is_bound and self.form.is_valid() else None
        )
        return chosen or self.form.merchant

    def forgive(self) -> None:
        """Ask for nothing that is not filled in yet: only saving needs it."""
        for name in set(self.form.errors) - {"text", "__all__"}:
            del self.form.errors[name]

    def _read(self) -> Rule | None:
        self.form.full_clean()
        if self.is_text:
            try:
                raw = json.loads(self.form.cleaned_data.get("text") or "{}")
            except ValueError:
                self.form.add_error("text", say("This is not JSON."))
                return None
            return segment_rules.read(raw)
        bound = [one for one in self.conditions if one.is_bound]
        invalid = [one for one in bound if not one.is_valid()]  # all of them are looked at
        if invalid:
            return None
        for one in bound:
            self._explain(one)
        if any(one.errors for one in bound):
            return None
        return segment_rules.read(
            {self.form.cleaned_data.get("match") or "all": [one.rule() for one in bound]}
        )

    def _explain(self, one: ConditionForm) -> None:
        """Show what the settings refuse beside their inputs."""
        rule = one.rule()
        try:
            segment_rules.read(rule)
        except BadRule as refusal:
            for fault in refusal.faults:
                name = next((part for part in fault.pointer.split("/") if part in one.fields), None)
                one.add_error(name, fault.detail)


def flat(rule: Rule) -> tuple[str, list[Rule]] | None:
    """Return how the conditions of a rule belong together, and they; None for a tree within the tree."""
    if not rule:
        return "all", []
    if "kind" in rule or "not" in rule:
        rule = {"all": [rule]}
    [(word, parts)] = rule.items()
    known = segment_rules.predicates()
    if all(part.get("not", part).get("kind") in known for part in parts):
        return word, parts
    return None
