from django.db import migrations

from lib.composite_keys import Key, migration_of

KEYS = [
    Key("rewards_redemption", "reward_id", "rewards_reward", "id"),
    Key("rewards_redemption", "customer_id", "customers_customer", "id"),
    Key("rewards_redemption", "membership_id", "loyalty_membership", "id"),
    Key("rewards_voucher", "customer_id", "customers_customer", "id"),
    Key("rewards_voucher", "reward_id", "rewards_reward", "id"),
    Key("rewards_voucher", "redemption_id", "rewards_redemption", "id"),
    Key("rewards_voucheruse", "voucher_id", "rewards_voucher", "id"),
    Key("rewards_voucheruse", "customer_id", "customers_customer", "id"),
    Key("rewards_giftcard", "customer_id", "customers_customer", "id"),
    Key("rewards_giftcardentry", "card_id", "rewards_giftcard", "id"),
    Key("rewards_poolcode", "pool_id", "rewards_codepool", "id"),
    Key("rewards_poolcode", "voucher_id", "rewards_voucher", "id"),
]


class Migration(migrations.Migration):
    """The database itself refuses a row that names another merchant's."""

    dependencies = [
        ("rewards", "0001_initial"),
        ("loyalty", "0003_same_merchant"),
        ("customers", "0003_same_merchant"),
    ]

    operations = migration_of(KEYS)
