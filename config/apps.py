from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FuseBox(AppConfig):
    name = "config"
    verbose_name = _("Operations")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from config import checks  # noqa: F401  (registers them)
