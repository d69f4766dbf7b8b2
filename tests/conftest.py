"""What every test shares. The cast (a cafe, its customers, a till, an outsider) is in tests/cast.py."""

import os
import shutil

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import TransactionTestCase

from connectors import endpoints
from engagement.flows import hearing
from loyalty import triggers
from tests.cast import *  # noqa: F403 - the cast's fixtures are everybody's
from tests.threads import at_once as run_at_once

# Playwright keeps an event loop in the test's thread; without this every query there would be refused.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_configure(config):
    # A password costs a quarter second on purpose; a suite that signs in a hundred times need not pay it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def _empty_tables(self, flush=TransactionTestCase._fixture_teardown):
    """After a test with real commits its rows are deleted, facts too; the flush puts the triggers back."""
    triggers.remove()
    flush(self)


TransactionTestCase._fixture_teardown = _empty_tables


@pytest.fixture(autouse=True)
def _empty_cache(request):
    """Rate limits and cached keys of one test are not the next one's."""
    if "db" in request.fixturenames or "transactional_db" in request.fixturenames:
        cache.clear()
        # Tables begin empty: what this process believes of wishes is as true as if it had just asked.
        for wishes in (endpoints.WISHES, hearing.WISHES):
            wishes.know({}, seconds=3600)


@pytest.fixture
def at_once():
    """`at_once(8, act)` runs `act(n)` in eight threads that start together."""
    return run_at_once


@pytest.fixture(scope="session")
def chromium():
    """The browser's program. Without one a browser test is skipped, but fails where CI=true."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail("No Chromium on this machine: apt-get install chromium")
    pytest.skip("no Chromium on this machine: apt-get install chromium")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, chromium):
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {
        **browser_type_launch_args,
        "executable_path": chromium,
        "args": [
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            # Chromium's sandbox needs an ordinary user.
            *(["--no-sandbox"] if is_root else []),
        ],
    }
