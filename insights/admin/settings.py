"""The lapse window: found in the purchases, or the merchant's word."""

from django.contrib import admin

from insights.models import MerchantInsight
from lib.admin import ConfigAdmin


@admin.register(MerchantInsight)
class MerchantInsightAdmin(ConfigAdmin):
    menu, menu_order, icon = "insights", 90, "tune"
    list_display = ["merchant", "lapse_override", "lapse_days", "lapse_found_on", "finished_at"]
    list_select_related = ["merchant"]
    fieldsets = [
        (None, {"fields": ["merchant", "lapse_override", "lapse_days", "lapse_found_on", "finished_at"]})
    ]
    readonly_fields = ["lapse_days", "lapse_found_on", "finished_at"]
    can_add = can_delete = False
