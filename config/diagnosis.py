"""What `manage.py doctor` looks at: one finding each, with what to do about it."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.core.checks import WARNING, run_checks
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from config import periodic
from rewards import pools

OK, WARN, FAIL = "OK", "WARN", "FAIL"
CLOCK_SECONDS = 2.0
START = "start everything with `python manage.py up`, or set REDIS_URL"


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, how it is, and what to do if it is not well."""

    name: str
    state: str
    said: str
    todo: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def examine() -> Iterator[Finding]:
    """Look at everything in turn. A check that breaks is a finding, not an end."""
    for check in CHECKS:
        name = check.__name__
        try:
            yield check(name)
        except Exception as error:
            yield Finding(name, FAIL, f"{type(error).__name__}: {error}".split("\n")[0], ADVICE.get(name, ""))


def settings_(name: str) -> Finding:
    found = [message for message in run_checks() if message.level >= WARNING]
    if not found:
        return Finding("settings", OK, "no contradiction")
    worst = max(found, key=lambda message: message.level)
    state = FAIL if worst.is_serious() else WARN
    return Finding(
        "settings", state, f"{worst.id}: {worst.msg}", worst.hint or "run `python manage.py check`"
    )


def database(name: str) -> Finding:
    with transaction.atomic(), connection.cursor() as cursor:
        # Changes no row, but is refused by a read-only server, file or role.
        cursor.execute("UPDATE django_migrations SET app = app WHERE id = -1")
        cursor.execute("SELECT version()" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        version = str(cursor.fetchone()[0]).split(" on ")[0].removeprefix("PostgreSQL ")
    said = f"{connection.vendor} {version}, writable"
    if connection.vendor == "postgresql" and int(version.split(".")[0]) < 15:
        return Finding(name, FAIL, said, "move to PostgreSQL 15 or newer")
    return Finding(name, OK, said)


def migrations(name: str) -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding(name, FAIL, f"{len(missing)} not applied", "run `python manage.py migrate`")
    return Finding(name, OK, "all applied")


def triggers(name: str) -> Finding:
    if find_spec("loyalty.triggers") is None:
        return Finding(name, WARN, "this version has none", "update the program")
    missing: list[str] = import_module("loyalty.triggers").missing()
    if missing:
        todo = "run `python manage.py migrate`: it puts them back"
        return Finding(name, FAIL, f"missing on {', '.join(missing)}", todo)
    return Finding(name, OK, "the ledger refuses change and deletion")


def clock(name: str) -> Finding:
    if connection.vendor != "postgresql":
        return Finding(name, OK, "the database lives on this machine")
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
    ours = (before + time.time()) / 2
    said = f"{abs(ours - theirs):.2f} s from the database's"
    if abs(ours - theirs) > CLOCK_SECONDS:
        return Finding(name, WARN, said, "set both machines' clocks with NTP")
    return Finding(name, OK, said)


def broker(name: str) -> Finding:
    url: str = settings.CELERY_BROKER_URL
    if url.startswith("filesystem"):
        return Finding(name, WARN, "files in DATA_DIR: a killed worker's task waits for the sweep", START)
    options = {**settings.CELERY_BROKER_TRANSPORT_OPTIONS, "max_retries": 0, "socket_connect_timeout": 1}
    with current_app.connection_for_write(connect_timeout=1, transport_options=options) as line:
        line.ensure_connection(max_retries=0, timeout=1)
        said = line.as_uri()
    return Finding(name, OK, f"answers on {said}")


def worker(name: str) -> Finding:
    if current_app.control.inspect(timeout=1.0).ping():
        return Finding(name, OK, "answers")
    return Finding(name, WARN, "none answers: due work waits", ADVICE["worker"])


def cache_(name: str) -> Finding:
    if not settings.REDIS_URL:
        return Finding("cache", WARN, "this process's memory: rate limits count per process", "set REDIS_URL")
    server = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
    facts: Any = server.info("server")
    cache.set("doctor", os.getpid(), 5)
    product = "Valkey" if "valkey_version" in facts else "Redis"
    version = facts.get("valkey_version") or facts["redis_version"]
    if product == "Redis" and int(version.split(".")[0]) < 7:
        return Finding("cache", FAIL, f"{product} {version}", "move to Redis 7 or newer, or Valkey")
    return Finding("cache", OK, f"{product} {version}")


def mail_(name: str) -> Finding:
    backend: str = settings.EMAIL_BACKEND
    if backend.endswith("filebased.EmailBackend"):
        folder = Path(settings.EMAIL_FILE_PATH)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return Finding("mail", FAIL, f"{folder} is not writable", "give this user the folder")
        return Finding("mail", WARN, f"files in {folder}: nobody gets one", ADVICE["mail_"])
    with mail.get_connection():
        return Finding("mail", OK, f"{backend.split('.')[-2]} at {settings.EMAIL_HOST or 'this process'}")


def keys(name: str) -> Finding:
    kept = [file.name for file in settings.KEYS_DIR.iterdir()] if settings.KEYS_DIR.is_dir() else []
    loose = [key for key in kept if (settings.KEYS_DIR / key).stat().st_mode & 0o077]
    if loose:
        return Finding(name, FAIL, f"others can read {', '.join(loose)}", f"chmod 600 {settings.KEYS_DIR}/*")
    if not kept:
        return Finding(name, OK, "all from the environment")
    return Finding(name, OK, f"{len(kept)} in {settings.KEYS_DIR}: back them up with the database")


def disk(name: str) -> Finding:
    facts = os.statvfs(settings.DATA_DIR)
    free = facts.f_bavail * facts.f_frsize / 2**30
    state = FAIL if free < 0.1 else WARN if free < 1 else OK
    return Finding(
        name, state, f"{free:.1f} GiB free in {settings.DATA_DIR}", "" if state == OK else "make room"
    )


def pools_(name: str) -> Finding:
    found = pools.low(at=timezone.now())
    if not found:
        return Finding("pools", OK, "none runs low")
    said = ", ".join(f"{pool.name} ({pool.merchant.slug})" for pool in found[:5])
    return Finding("pools", WARN, f"few codes are left in {said}", "add codes in the admin, below Code pools")


def periodic_(name: str) -> Finding:
    bad = [one for one in periodic.work(at=timezone.now()) if one.is_bad]
    if not bad:
        return Finding("periodic", OK, "nothing is late")
    said = ", ".join(f"{one.name} ({one.state})" for one in bad[:5])
    more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
    return Finding("periodic", WARN, f"{said}{more}", ADVICE["periodic_"])


CHECKS: list[Callable[[str], Finding]] = [
    settings_,
    database,
    migrations,
    triggers,
    clock,
    broker,
    worker,
    cache_,
    mail_,
    keys,
    disk,
    pools_,
    periodic_,
]
ADVICE = {
    "database": "check DATABASE_URL, then run `python manage.py migrate`",
    "migrations": "check DATABASE_URL",
    "triggers": "run `python manage.py migrate`",
    "periodic_": "see Operations, Periodic work in the admin; start worker and beat with `python manage.py up`",
    "pools_": "run `python manage.py migrate`",
    "broker": START,
    "worker": "start everything with `python manage.py up`, or `celery -A config.celery worker`",
    "cache_": START,
    "mail_": "set EMAIL_URL, like smtp+tls://user:password@mail.example.com:587",
}
