"""The filters of lists. What cannot be understood is refused, never ignored."""

from datetime import datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from api import fields
from lib import public_ids
from lib.errors import Malformed


class Filters(django_filters.FilterSet):
    """A list's filters, by name."""


class _TimeField(forms.CharField):
    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            # A plus sign that was not encoded arrives as a blank; no time holds one.
            return fields.time(text.replace(" ", "+"), pointer="")
        except Malformed as refusal:
            raise ValidationError(refusal.faults[0].detail) from None


class Since(django_filters.Filter):
    """A time with its offset."""

    field_class = _TimeField


class PublicId(django_filters.CharFilter):
    """A public id. One that cannot be one finds nothing, like one that does not exist."""

    def __init__(self, *args: Any, prefix: str, **kwargs: Any):
        self.prefix = prefix
        super().__init__(*args, **kwargs)

    def filter(self, rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return rows
        number = public_ids.read(self.prefix, value)
        return rows.none() if number is None else super().filter(rows, number)
