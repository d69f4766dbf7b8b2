from django.apps import AppConfig
from django.core.signals import request_finished


class MerchantsConfig(AppConfig):
    name = "merchants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from merchants import keys

        # Not a domain event: the web server's own "the answer is sent", the one moment that costs no till.
        request_finished.connect(keys.write_uses)
