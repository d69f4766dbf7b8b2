"""Gift cards and every movement on them: read here, moved at the till."""

from typing import Any

from django.contrib import admin
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from lib import money
from lib.admin import FactAdmin, link_to
from rewards import gift_cards
from rewards.admin.tables import table
from rewards.models import GiftCard


@admin.register(GiftCard)
class GiftCardAdmin(FactAdmin):
    menu, menu_order, icon = "rewards", 50, "card_giftcard"
    list_display = ["ends_with", "balance", "paid", "state", "shown_customer", "expires_at", "created_at"]
    list_select_related = ["customer", "merchant"]
    search_fields = ["=last_four"]
    search_help_text = _("The last four letters of the code, or the card's id.")
    fieldsets = [
        (None, {"fields": ["ends_with", "state", "balance", "paid", "shown_customer", "expires_at"]}),
        (_("Movements"), {"fields": ["movements"]}),
        (_("Where from"), {"fields": ["created_at", "by"]}),
    ]
    readonly_fields = ["ends_with", "state", "balance", "paid", "shown_customer", "movements"]

    @admin.display(description=_("Code ends with"))
    def ends_with(self, card: GiftCard) -> str:
        return f"…{card.last_four}"

    @admin.display(description=_("State"))
    def state(self, card: GiftCard) -> Any:
        if gift_cards.is_expired(card, at=timezone.now()):
            return _("Expired")
        return _("Can be used") if card.balance_minor else _("Used")

    @admin.display(description=_("Balance"), ordering="balance_minor")
    def balance(self, card: GiftCard) -> str:
        return _money(card, card.balance_minor)

    @admin.display(description=_("Bought with"))
    def paid(self, card: GiftCard) -> str:
        return _money(card, card.paid_minor)

    @admin.display(description=_("Customer"))
    def shown_customer(self, card: GiftCard) -> Any:
        return link_to(card.customer) if card.customer else _("Whoever shows it")

    @admin.display(description=_("Movements"))
    def movements(self, card: GiftCard) -> str:
        return table(
            [_("What"), _("Amount"), _("Balance"), _("Reference"), _("Purchase"), _("When")],
            [
                [
                    entry.get_kind_display(),
                    _money(card, entry.amount_minor),
                    _money(card, entry.balance_after_minor),
                    entry.reference,
                    entry.purchase_reference or "–",
                    f"{timezone.localtime(entry.created_at):%Y-%m-%d %H:%M}",
                ]
                for entry in card.entries.order_by("-sequence")[:200]
            ],
        )


def _money(card: GiftCard, minor: int) -> str:
    return money.show(minor, card.currency, translation.get_language() or "en")
