"""Whatever color a merchant picks, everything on the pages can be read."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib import colors

CSS = Path(__file__).parents[2] / "static/portal/portal.css"
ANY_COLOR = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
EXTREMES = ["#000000", "#ffffff", "#808080", "#777777", "#ffff00", "#0000ff", "#ff0000", "#121315", "#f6f5f2"]


def assert_readable(color):
    for palette, page, card in (
        (colors.day(color), colors.DAY_PAGE, colors.DAY_CARD),
        (colors.night(color), colors.NIGHT_PAGE, colors.NIGHT_CARD),
    ):
        assert colors.contrast(palette.on_fill, palette.fill) >= 4.5
        assert colors.contrast(palette.on_fill, palette.fill_deep) >= 4.5
        assert colors.contrast(palette.on_accent, palette.accent) >= 4.5
        for surface in (page, card, palette.soft):
            assert colors.contrast(palette.accent, surface) >= 4.5
        assert colors.contrast(palette.fill, page) >= 1.3


@given(ANY_COLOR)
def test_any_color_makes_a_readable_palette(color):
    assert_readable(color)


@pytest.mark.parametrize("color", EXTREMES)
def test_the_hardest_colors_do_too(color):
    assert_readable(color)


def test_a_good_color_is_left_as_it_is():
    palette = colors.day("#1f5f4a")
    assert (palette.fill, palette.accent, palette.on_fill) == ("#1f5f4a", "#1f5f4a", "#ffffff")


def test_contrast_is_counted_as_wcag_does():
    assert colors.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert colors.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", ["day", "night"])
def test_text_of_the_style_sheet_is_readable_on_its_surfaces_and_on_every_tint(mode):
    day_css, night_css = CSS.read_text().split("@media (prefers-color-scheme: dark)", 1)
    css = day_css if mode == "day" else night_css
    token = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", css.split("/* The page", 1)[0]))
    assert (token["page"], token["card"]) == (
        (colors.DAY_PAGE, colors.DAY_CARD) if mode == "day" else (colors.NIGHT_PAGE, colors.NIGHT_CARD)
    )
    palette = getattr(colors, mode)
    tints = {palette(color).soft for color in EXTREMES}
    for text in ("text", "muted"):
        for surface in {token["page"], token["card"], *tints}:
            assert colors.contrast(token[text], surface) >= 4.5, (text, surface)
    for kind in ("warn", "good"):
        assert colors.contrast(token[f"{kind}-text"], token[f"{kind}-page"]) >= 4.5
    for surface in (token["page"], token["card"]):
        assert colors.contrast(token["good-text"], surface) >= 4.5
        assert colors.contrast(token["bad-text"], surface) >= 4.5
        assert colors.contrast(token["field-line"], surface) >= 3


@pytest.mark.django_db
def test_the_style_sheet_of_a_merchant_is_kept_for_ever_under_its_color(client, cafe):
    for_now = client.get("/cafe-mira/brand.css")
    for_ever = client.get(f"/cafe-mira/brand.css?v={cafe.color[1:]}")
    assert for_ever.headers["Content-Type"].startswith("text/css")
    assert f"--brand-fill:{cafe.color};" in for_ever.content.decode()
    assert "immutable" in for_ever.headers["Cache-Control"]
    assert "immutable" not in for_now.headers["Cache-Control"]
    assert client.get("/nobody-here/brand.css").status_code == 404


def test_the_vendored_style_sheet_is_what_its_makers_published():
    import hashlib

    folder = CSS.parent / "vendor/pico"
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted
    assert "MIT License" in (folder / "LICENSE.md").read_text()
