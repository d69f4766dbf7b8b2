from lib.composite_keys import Key, migration_of
from django.db import migrations

KEYS = [
    Key("customers_identifier", "customer_id", "customers_customer", "id"),
    Key("customers_consent", "customer_id", "customers_customer", "id"),
    Key("customers_touchpoint", "customer_id", "customers_customer", "id"),
]


class Migration(migrations.Migration):
    """The database itself refuses a row that names another merchant's customer."""

    dependencies = [("customers", "0002_initial")]

    operations = migration_of(KEYS)
