from django.apps import AppConfig


class EngagementConfig(AppConfig):
    name = "engagement"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The one signal of the house: it is anymail's way to hand over what a provider told.
        from anymail.signals import tracking as told

        from engagement import tracking

        told.connect(tracking.heard, dispatch_uid="engagement.tracking")
