"""A new API key, alone on standard output, so that a script can take it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lib.errors import DomainError
from merchants import keys
from merchants.models import Merchant, Store


class Command(BaseCommand):
    help = "Make an API key for a merchant and print it, and nothing else. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("merchant", help="the merchant's slug")
        parser.add_argument("--name", default="till", help="what people call the key (default: till)")
        parser.add_argument(
            "--scopes", default="*", help="comma-separated, like purchases:write,customers:read"
        )
        parser.add_argument("--store", default="", help="code of the only store it may speak for")
        parser.add_argument("--till", default="", help="name of the till it belongs to")
        parser.add_argument(
            "--test",
            action="store_true",
            help="insist on a test key: refused unless the merchant is a sandbox",
        )

    def handle(self, *, merchant: str, store: str, scopes: str, test: bool, **options: Any) -> None:
        owner = Merchant.objects.filter(slug=merchant).first()
        if owner is None:
            known = ", ".join(Merchant.objects.order_by("slug").values_list("slug", flat=True)[:20])
            raise CommandError(f"There is no merchant {merchant!r}. Known: {known or 'none yet'}.")
        shop = Store.objects.filter(merchant=owner, code=store).first()
        if store and shop is None:
            raise CommandError(f"Merchant {merchant!r} has no store {store!r}.")
        try:
            token = keys.issue(
                merchant=owner,
                name=options["name"],
                scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
                store=shop,
                till=options["till"],
                by="manage.py",
                is_test=True if test else None,
            )
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(token)
