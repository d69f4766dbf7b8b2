"""What a scanner and a screen reader need of a QR code."""

import re
from xml.etree import ElementTree

import pytest

from lib import qr

SVG = "{http://www.w3.org/2000/svg}"


def test_it_is_dark_on_white_with_a_quiet_zone():
    drawn = qr.svg("https://shop.example/mira?ref=ABCD")
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own picture
    fills = [path.get("fill") or path.get("stroke") for path in root.iter(f"{SVG}path")]

    assert fills == ["#fff", "#000"]
    assert re.fullmatch(r"0 0 (\d+) \1", root.get("viewBox"))
    # Version 3 has 29 modules; four light ones on each side.
    assert root.get("viewBox") == "0 0 37 37"


def test_the_policy_of_the_pages_allows_it():
    drawn = qr.svg("X", label="Voucher <1>")

    assert "style" not in drawn
    assert "script" not in drawn


def test_a_label_is_told_and_escaped():
    root = ElementTree.fromstring(qr.svg("X", label="Voucher <1> & more"))  # noqa: S314 - our own picture

    assert root.findtext(f"{SVG}title") == "Voucher <1> & more"


@pytest.mark.parametrize("text", ["A", "ABCD-EFGH-JKLM", "https://shop.example/" + "x" * 300, "Café"])
def test_any_code_or_link_of_ours_fits(text):
    assert qr.svg(text) != qr.svg(text + "1")
