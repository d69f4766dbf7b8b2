"""Everything in one terminal: database, broker, web, worker, timetable."""

import os
import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config import assets
from lib import embedded
from lib.processes import Terminal

CELERY = ("celery", "-q", "-A", "config.celery")


class Command(BaseCommand):
    help = (
        "Run everything in this terminal until Ctrl-C: migrate, then an embedded Valkey (unless REDIS_URL is "
        "set), the web server, a worker and the timetable. DATABASE_URL and REDIS_URL are used when given."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
        )
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
        parser.add_argument("--workers", type=int, default=2, help="web processes (default: 2)")
        parser.add_argument("--concurrency", type=int, default=2, help="worker processes (default: 2)")

    def handle(self, *, host: str, port: int, workers: int, concurrency: int, **options: Any) -> None:
        if is_taken(host, port):
            raise CommandError(
                f"Port {port} is in use. Stop what listens there, or choose another: --port {port + 1}"
            )
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write("Database is up to date.")
        if assets.collect():
            self.stdout.write("Static files are collected.")

        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
        environment.setdefault("BASE_URL", f"http://localhost:{port}")
        terminal = Terminal(environment=environment)
        terminal.listen()
        try:
            self.start_broker(terminal)
            start_web(terminal, host=host, port=port, workers=workers)
            start_worker(terminal, concurrency=concurrency)
            start_python(terminal, "beat", *CELERY, "beat", "--pidfile=", "--loglevel=WARNING")
            address = environment["BASE_URL"]
            terminal.say("up", f"{address}/ and {address}/admin/ (Ctrl-C stops everything)")
        except BaseException:
            terminal.stop()
            raise
        code = terminal.keep()
        self.stdout.write("Stopped.")
        if code:
            sys.exit(code)

    def start_broker(self, terminal: Terminal) -> None:
        """Start the embedded Valkey where no other server is named, or say what is used instead."""
        path = embedded.socket_path(settings.DATA_DIR)
        if embedded.redis_url(settings.DATA_DIR) != settings.REDIS_URL:
            return
        if embedded.answers(path):
            terminal.say("valkey", f"already runs on {path}")
            return
        program = embedded.valkey_program()
        if program is None:
            terminal.environment.update(REDIS_URL="", CELERY_BROKER_URL="filesystem://")
            terminal.say("up", "No Valkey for this platform: tasks wait in files, limits count per process.")
            return
        folder = Path(settings.DATA_DIR) / "valkey"
        terminal.start("valkey", embedded.valkey_command(program, listen=path, folder=folder), stop_last=True)
        if not embedded.answers(path, within_seconds=15):
            raise CommandError(f"The embedded Valkey does not answer on {path}: see {folder}/valkey.log.")


def start_web(terminal: Terminal, *, host: str, port: int, workers: int) -> None:
    """Start the web server: few threads, each with a database connection that it keeps."""
    start_python(
        terminal,
        "web",
        *("granian", "--interface=wsgi", f"--host={host}", f"--port={port}", f"--workers={workers}"),
        # A thread that ends takes its database connection along: let it live as long as granian allows.
        *("--blocking-threads=2", "--blocking-threads-idle-timeout=600"),
        *("--no-ws", "--respawn-failed-workers", "config.wsgi:application"),
    )


def start_worker(terminal: Terminal, *, concurrency: int) -> None:
    """Start the worker, which needs to know of no other one."""
    start_python(
        terminal,
        "worker",
        *(*CELERY, "worker", "--loglevel=INFO", f"--concurrency={concurrency}"),
        *("--without-gossip", "--without-mingle"),
    )


def start_python(terminal: Terminal, name: str, module: str, *arguments: str) -> None:
    """Start a Python module as a program, with the same interpreter."""
    # A container's only user is root: Celery's page of warning about it says nothing new here.
    quiet = "ignore:You're running the worker with superuser privileges"
    terminal.start(name, [sys.executable, "-W", quiet, "-m", module, *arguments])


def is_taken(host: str, port: int) -> bool:
    """Tell whether something already listens there."""
    with socket.socket() as line:
        line.settimeout(1)
        return line.connect_ex(("127.0.0.1" if host == "0.0.0.0" else host, port)) == 0  # noqa: S104
