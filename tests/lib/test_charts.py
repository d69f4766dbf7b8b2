"""The vendored chart library is what its makers published, and asks nothing of anybody."""

import hashlib
from pathlib import Path

from django.conf import settings

from lib import charts

FOLDER: Path = settings.BASE_DIR / "static/loyalty/vendor/echarts"


def test_the_vendored_library_is_what_was_built():
    for line in (FOLDER / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == wanted
    license_text = (FOLDER / "LICENSE.txt").read_text()
    assert "Apache License" in license_text
    assert "BSD 3-Clause" in license_text


def test_money_is_drawn_in_the_currencys_own_digits():
    assert charts.in_money("JPY")["digits"] == 0
    drawing = charts.Drawing("s", "Sales", {"series": []}, ["Day"], [], unit=charts.in_money("EUR"))
    assert drawing.said == {"series": [], "unit": {"style": "currency", "currency": "EUR", "digits": 2}}
