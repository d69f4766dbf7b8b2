"""What a refusal of the rooms below says to a customer, in the customer's language."""

from django.utils.translation import gettext_lazy as _

from lib.errors import DomainError

WORDS = {
    "birthday_changed": _("The birthday can be changed once a year. Please ask at the shop if it is wrong."),
    "invalid_identifier": _("Type an e-mail address like ana@example.com."),
    "identifier_taken": _("Another member already has this address. Please ask at the shop."),
    "erased": _("This account was deleted."),
    "referral_code_unknown": _("This code is nobody's. Check it, or leave the field empty."),
    "self_referral": _("This is your own code. Leave the field empty, or ask a friend for theirs."),
    "no_referrals": _("This shop takes no codes. Leave the field empty."),
    "insufficient_points": _("You do not have enough points for this yet."),
    "account_in_debt": _("Something was refunded after its points were used. New points pay that first."),
    "reward_out_of_stock": _("All are gone at the moment."),
    "reward_limit_reached": _("You had this as often as possible for now."),
    "reward_not_available": _("This is not on offer for you now."),
    "customer_blocked": _("Please ask at the shop: this account is blocked."),
    "voucher_redeemed": _("The voucher was used and cannot be given back."),
    "voucher_expired": _("The voucher has expired and cannot be given back."),
    "redemption_closed": _("This can no longer be given back."),
    "in_another_household": _("You share points with others already. Leave them first."),
    "household_full": _("This household is full."),
    "household_not_empty": _("Take the points out of the pool first: nobody else could."),
    "transfers_not_allowed": _("This shop does not let you move these points."),
    "transfer_limit": _("This is more than you may move in a month."),
    "no_program": _("This shop's program has not started yet."),
}


def words(refusal: DomainError) -> str:
    """Return the refusal in plain words."""
    return str(WORDS.get(refusal.code, refusal))
