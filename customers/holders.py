"""The customer who is nobody: holds an account that several people share (see `loyalty.households`)."""

import secrets
from datetime import datetime

from customers.models import Customer
from customers.people import CODE_LETTERS
from lib import db
from merchants.models import Merchant


@db.inside_transaction
def open_one(*, merchant: Merchant, at: datetime) -> Customer:
    """Return a new holder: without a name, identifier or consent, found by nobody and told nothing."""
    return Customer.objects.create(
        merchant=merchant,
        status=Customer.Status.HOUSEHOLD,
        referral_code="".join(secrets.choice(CODE_LETTERS) for _ in range(8)),
        created_at=at,
    )
