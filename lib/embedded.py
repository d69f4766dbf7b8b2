"""The embedded default: a real Valkey on a unix socket in DATA_DIR, from the wheel, without root."""

import hashlib
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

# The kernel's limit for the path of a unix socket, with its closing NUL.
_SOCKET_PATH_BYTES = 108


def socket_path(data_dir: Path) -> Path:
    """Return where the embedded Valkey listens: in `data_dir`, or in the temporary folder if that path is too long."""
    path = data_dir / "valkey.sock"
    if len(bytes(path)) < _SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(bytes(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"loyalty-{name}.sock"


def redis_url(data_dir: Path) -> str:
    """Return the URL of the embedded Valkey, whether or not it runs."""
    return f"unix://{socket_path(data_dir)}?db=0"


def broker_url(redis: str) -> str:
    """Return the same server as Celery spells it: a unix socket has a scheme of its own there."""
    parts = urlsplit(redis)
    if parts.scheme != "unix":
        return redis
    database = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair).get("db", "0")
    return f"redis+socket://{parts.path}?virtual_host={database}"


def filesystem_broker(data_dir: Path) -> dict[str, str]:
    """Return the transport options of the broker made of files, for platforms without the wheel."""
    folders = {name: data_dir / "broker" / name for name in ("queue", "processed", "control")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "data_folder_in": str(folders["queue"]),
        "data_folder_out": str(folders["queue"]),
        "processed_folder": str(folders["processed"]),
        "control_folder": str(folders["control"]),
    }
