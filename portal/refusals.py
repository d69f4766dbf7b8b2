"""What a refusal of the rooms below says to a customer, in the customer's language."""

from django.utils.translation import gettext_lazy as _

from lib.errors import DomainError

WORDS = {
    "birthday_changed": _("The birthday can be changed once a year. Please ask at the shop if it is wrong."),
    "invalid_identifier": _("Type an e-mail address like ana@example.com."),
    "identifier_taken": _("Another member already has this address. Please ask at the shop."),
    "erased": _("This account was deleted."),
    "no_program": _("This shop's program has not started yet."),
}


def words(refusal: DomainError) -> str:
    """Return the refusal in plain words."""
    return str(WORDS.get(refusal.code, refusal))
