"""What the environment says, and the keys that are made once when it says nothing."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

import environ
from cryptography.fernet import Fernet

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()


def data_dir() -> Path:
    """Return the folder for everything the service keeps on disk, made with mode 0700 when absent."""
    folder = Path(env.str("DATA_DIR", default=str(BASE_DIR / "var"))).expanduser().resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def key(name: str, *, folder: Path) -> str:
    """
    Return the key `name` from the environment, else from `folder`, where it is made once with mode 0600.

    Web, worker and beat may start in the same instant in an empty folder: the key is written beside its
    place and linked there, so that one process wins and the others read a complete key.
    """
    given = env.str(name, default="")
    if given:
        return given
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / name.lower()
    if not place.exists():
        _make(place, MAKERS[name])
    return place.read_text().strip()


def _make(place: Path, maker: Callable[[], str]) -> None:
    handle, draft = tempfile.mkstemp(dir=place.parent)
    with os.fdopen(handle, "w") as file:
        file.write(maker() + "\n")
    try:
        os.link(draft, place)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)


MAKERS: dict[str, Callable[[], str]] = {
    "SECRET_KEY": lambda: secrets.token_urlsafe(64),
    "FIELD_KEY": lambda: Fernet.generate_key().decode(),
    "LOOKUP_KEY": lambda: secrets.token_urlsafe(32),
    "LEDGER_KEY": lambda: secrets.token_urlsafe(32),
}


def provider_settings(provider: str) -> dict[str, str]:
    """Return what the environment says for a mail provider: every variable that begins with its name."""
    start = f"{provider.upper()}_"
    return {name: value for name, value in os.environ.items() if provider and name.startswith(start)}
