"""
The one module that knows the admin's theme: without "unfold" in INSTALLED_APPS the same pages run on
Django's own admin.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin

IS_THEMED = "unfold" in settings.INSTALLED_APPS

if TYPE_CHECKING:
    Page = admin.ModelAdmin[Any]
    RowsOnPage = admin.TabularInline[Any, Any]
elif IS_THEMED:
    from unfold.admin import ModelAdmin as Page
    from unfold.admin import TabularInline as RowsOnPage
else:
    Page, RowsOnPage = admin.ModelAdmin, admin.TabularInline


def dress(form: forms.BaseForm) -> forms.BaseForm:
    """Give the inputs of a form of our own the theme's looks."""
    for field in form.fields.values():
        dress_input(field.widget)
    return form


def dress_input(widget: forms.Widget) -> None:
    if not IS_THEMED or isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
        return
    from unfold import widgets as theme

    if isinstance(widget, forms.MultiWidget):
        for part in widget.widgets:
            dress_input(part)
    elif isinstance(widget, forms.CheckboxInput):
        widget.attrs["class"] = " ".join(theme.CHECKBOX_CLASSES)
    elif isinstance(widget, forms.Textarea):
        widget.attrs["class"] = " ".join(theme.TEXTAREA_CLASSES)
    elif isinstance(widget, forms.Select):
        widget.attrs["class"] = " ".join(theme.SELECT_CLASSES)
    else:
        widget.attrs["class"] = " ".join(theme.INPUT_CLASSES)
