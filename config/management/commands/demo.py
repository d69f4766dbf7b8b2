"""A shop with a year of purchases, to click through and to call."""

import os
import sys
import threading
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from config import demo
from config.management.commands.drain import run
from config.management.commands.up import is_taken
from lib import cycles

READY_SECONDS = 60


class Command(BaseCommand):
    help = (
        "Make a demo shop: a program, 2,469 customers and a year of purchases until yesterday, then run "
        "everything and say where to click. Again and again: what is there stays, the days since are added."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-serve", action="store_true", help="make it and stop, without running anything"
        )
        parser.add_argument(
            "--households", type=int, default=0, help="a smaller demo: only so many customers (default: all)"
        )
        parser.add_argument(
            "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
        )
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")

    def handle(self, *, no_serve: bool, host: str, port: int, households: int, **options: Any) -> None:
        if not no_serve and is_taken(host, port):
            raise CommandError(f"Port {port} is in use. Stop what listens there, or: --port {port + 1}")
        started = time.monotonic()
        call_command("migrate", interactive=False, verbosity=0)
        at = timezone.now()
        merchant, state = demo.prepare(at=at, households=households)
        cycles.search_rarely()
        with Progress() as progress:
            told = demo.replay(merchant=merchant, state=state, at=at, each=progress.tell)
        for _ in run(merchant=merchant, at=None):
            pass
        demo.study(merchant=merchant, at=at)
        facts = demo.facts(merchant=merchant)
        self.stdout.write(
            f"{merchant.name}: {facts['customers']:,} customers, {facts['purchases']:,} purchases "
            f"({told:,} new, {time.monotonic() - started:,.0f} s)."
        )
        address = os.environ.get("BASE_URL", f"http://localhost:{port}").rstrip("/")
        text = signposts(address, state)
        if no_serve:
            self.stdout.write(text)
            return
        threading.Thread(target=self.tell_when_ready, args=(host, port, text), daemon=True).start()
        call_command("up", host=host, port=port)

    def tell_when_ready(self, host: str, port: int, text: str) -> None:
        """Print where to click as the last thing, once there is something to click on."""
        place = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104
        for _ in range(READY_SECONDS * 2):
            try:
                with urllib.request.urlopen(f"http://{place}:{port}/health/live", timeout=2):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.5)
        time.sleep(1)  # the worker and the timetable say their lines first
        self.stdout.write(text)
        self.stdout.flush()


class Progress:
    """A bar on a terminal; elsewhere a line for each tenth."""

    def __enter__(self) -> "Progress":
        self.bar = tqdm(
            unit=" purchases", disable=not sys.stderr.isatty(), file=sys.stderr, leave=False, delay=0.5
        )
        self.tenth = 0
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def tell(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if self.bar.disable and (tenth := done * 10 // total) > self.tenth:
            self.tenth = tenth
            sys.stderr.write(f"{tenth * 10} %: {done:,} of {total:,} purchases\n")
            sys.stderr.flush()


def signposts(address: str, state: demo.State) -> str:
    """Return where to click, who to be, and what to call."""
    guest = demo.email(demo.GUEST)
    mail = Path(settings.DATA_DIR) / "mail"
    is_file_mail = settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")
    code = f'the code: grep -ohE "^[0-9]{{6}}|[0-9]{{6}}$" $(ls -t {mail}/* | head -1)'
    return f"""
  Admin    {address}/admin/
           sign in as {demo.STAFF}, password {state.password}
  Portal   {address}/{demo.SLUG}
           sign in as {guest}
           {code if is_file_mail else "the code comes by e-mail"}
  API      {address}/api/docs
           buy something for {guest.partition(".")[0].capitalize()}, then look at the portal:

curl -X POST {address}/api/v1/purchases \\
  -H "Authorization: Bearer {state.key}" -H "Content-Type: application/json" \\
  -d '{{"identifier": {{"type": "email", "value": "{guest}"}}, "reference": "hello-'$(date +%s)'",
       "currency": "USD", "amount_minor": 1250}}'

  These logins are kept in {demo.path()}
"""
