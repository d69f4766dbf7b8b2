"""What is missing or contradictory in the environment, said at start with an id and a hint."""

from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security)
def check_keys(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    try:
        Fernet(settings.FIELD_KEY)
    except ValueError:
        found.append(
            Error(
                "FIELD_KEY is not a Fernet key.",
                hint="Unset it to have one made, or set 32 random bytes in URL-safe base64.",
                id="config.E001",
            )
        )
    keys = [settings.SECRET_KEY, settings.FIELD_KEY, settings.LOOKUP_KEY, settings.LEDGER_KEY]
    if len(set(keys)) < len(keys):
        found.append(
            Error(
                "Two keys are equal.",
                hint="Give each of SECRET_KEY, FIELD_KEY, LOOKUP_KEY, LEDGER_KEY its own value.",
                id="config.E002",
            )
        )
    return found


@register()
def check_base_url(**kwargs: Any) -> list[CheckMessage]:
    if not settings.BASE_URL.startswith(("http://", "https://")):
        return [
            Error(
                f"BASE_URL {settings.BASE_URL!r} is no address.",
                hint="Set it to where people reach the service, like https://points.example.com.",
                id="config.E003",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def check_shared_keys(**kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"]["ENGINE"].endswith("postgresql") and settings.KEYS_DIR.is_dir():
        return [
            Warning(
                "Keys are kept in DATA_DIR although the database is shared.",
                hint="With more than one machine, set the four *_KEY variables to the same values on each.",
                id="config.W001",
            )
        ]
    return []
