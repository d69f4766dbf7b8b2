"""The theme is one line: without "unfold" in INSTALLED_APPS the same pages run on Django's own admin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
SETTINGS = """
from config.settings import *
INSTALLED_APPS = [app for app in INSTALLED_APPS if not app.startswith("unfold")]
"""
VISIT = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from customers.identifiers import Given
from django.utils import timezone
from loyalty import members
from tests.cast import open_shop, staff_of
cafe = open_shop("cafe-mira", "Café Mira")
ana = members.enroll(
    merchant=cafe, name="Ana", identifiers=[Given("card", "4000000001")], at=timezone.now(), by="test"
)
browser = Client(SERVER_NAME="localhost")
browser.force_login(staff_of(cafe, "owner"))
tier_set = cafe.programs.get().tier_sets.get()
for address in (
    "", "customers/customer/", f"customers/customer/{ana.pk}/change/", f"customers/customer/{ana.pk}/adjust/",
    "loyalty/purchase/", "loyalty/earningrule/add/", "loyalty/earningrule/add/?kind=per_amount",
    f"loyalty/tierset/{tier_set.pk}/change/", f"loyalty/tierset/{tier_set.pk}/preview/",
    f"loyalty/tierset/{tier_set.pk}/history/", "merchants/apikey/add/", "merchants/role/",
    "insights/rehearsalrun/", "insights/rehearsalrun/add/",
):
    answer = browser.get(f"/admin/{address}")
    assert answer.status_code == 200, (address, answer.status_code)
    assert b"unfold" not in answer.content, address
print("every page answered")
"""


@pytest.mark.slow
def test_the_pages_run_on_djangos_own_admin(tmp_path):
    (tmp_path / "plain_settings.py").write_text(SETTINGS)
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", VISIT],
        cwd=HOUSE,
        env={
            **inherited,
            "DJANGO_SETTINGS_MODULE": "plain_settings",
            "PYTHONPATH": f"{tmp_path}:{HOUSE}",
            "DATA_DIR": str(tmp_path),
            "REDIS_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert "every page answered" in done.stdout, done.stderr[-3000:]
