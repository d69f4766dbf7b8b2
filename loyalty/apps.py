from django.apps import AppConfig
from django.db.models.signals import post_migrate


class LoyaltyConfig(AppConfig):
    name = "loyalty"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from loyalty import triggers

        # Not a domain event: SQLite drops triggers when a migration rebuilds their table.
        post_migrate.connect(triggers.install, sender=self)
