"""What staff are asked for when they work with a customer."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from customers.identifiers import Given
from customers.models import Identifier
from lib.admin import within
from merchants.models import Merchant


class Enroll(forms.Form):
    """Who joins. At least one way to recognize them is needed."""

    merchant: Any = forms.ModelChoiceField(Merchant.objects.none(), label=_("Merchant"))
    name = forms.CharField(max_length=120, required=False, label=_("Name"))
    email = forms.EmailField(required=False, label=_("E-mail"))
    phone = forms.CharField(max_length=40, required=False, label=_("Phone"))
    card = forms.CharField(max_length=60, required=False, label=_("Card number"))
    birthday = forms.CharField(
        max_length=5, required=False, label=_("Birthday"), help_text=_("Month and day, like 05-31.")
    )
    language = forms.ChoiceField(
        choices=[("", _("The shop's")), *settings.LANGUAGES], required=False, label=_("Language")
    )

    def __init__(self, *args: Any, ids: frozenset[int] | None, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["merchant"].queryset = within(Merchant.objects.all(), ids)  # type: ignore[attr-defined]
        if ids is not None and len(ids) == 1:
            self.fields["merchant"].initial = next(iter(ids))
            self.fields["merchant"].disabled = True
            self.fields["merchant"].widget = forms.HiddenInput()

    def given(self) -> list[Given]:
        said = self.cleaned_data
        return [Given(type, said[type]) for type in ("email", "phone", "card") if said.get(type)]


class PersonForm(forms.Form):
    name = forms.CharField(max_length=120, required=False, label=_("Name"))
    birthday = forms.CharField(
        max_length=5, required=False, label=_("Birthday"), help_text=_("Month and day, like 05-31.")
    )
    language = forms.ChoiceField(
        choices=[("", _("The shop's")), *settings.LANGUAGES], required=False, label=_("Language")
    )


class IdentifierForm(forms.Form):
    type = forms.ChoiceField(choices=Identifier.Type, label=_("Kind"))
    value = forms.CharField(max_length=254, label=_("Value"))
    source = forms.CharField(
        max_length=60, required=False, label=_("System"), help_text=_("Only for an external id: stripe, erp.")
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=200, label=_("Reason"), help_text=_("Staff see it in the diary."))


class ConfirmForm(forms.Form):
    is_sure = forms.BooleanField(label=_("I am sure. This cannot be undone."))
