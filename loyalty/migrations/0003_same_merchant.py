from django.db import migrations

from lib.composite_keys import Key, migration_of

KEYS = [
    Key("loyalty_membership", "customer_id", "customers_customer", "id"),
    Key("loyalty_tierchange", "membership_id", "loyalty_membership", "id"),
    Key("loyalty_account", "membership_id", "loyalty_membership", "id"),
    Key("loyalty_entry", "account_id", "loyalty_account", "membership_id"),
    Key("loyalty_lot", "account_id", "loyalty_account", "membership_id"),
    Key("loyalty_purchase", "customer_id", "customers_customer", "id"),
]


class Migration(migrations.Migration):
    """The database itself refuses a row that names another merchant's member."""

    dependencies = [("loyalty", "0002_initial"), ("customers", "0003_same_merchant")]

    operations = migration_of(KEYS)
