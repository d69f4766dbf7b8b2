from django.db import models

from customers.models.customer import Customer
from lib.models import Row
from merchants.models import Merchant


class SignInCode(Row):
    """
    A code sent to a contact, to sign in to the portal or to prove that the contact is theirs.

    `code_hash` is a keyed hash of the code. The row is made also for a contact that nobody has (then
    without a customer), so that the answer and its timing tell nothing. It dies after five wrong tries.
    """

    prefix = "sic"

    merchant = models.ForeignKey(Merchant, models.CASCADE, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.CASCADE, null=True, related_name="+")
    contact_hash = models.CharField(max_length=64)
    code_hash = models.CharField(max_length=64)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["merchant", "contact_hash", "-created_at"], name="sign_in_codes_newest")
        ]
