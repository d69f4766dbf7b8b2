"""A merchant's one color, made into a palette that can be read: WCAG contrast, by day and by night."""

from collections.abc import Callable
from dataclasses import dataclass

# The surfaces of static/portal/portal.css: the tests hold the two files together.
DAY_PAGE, DAY_CARD = "#f6f5f2", "#ffffff"
NIGHT_PAGE, NIGHT_CARD = "#121315", "#1d1f22"
WHITE, INK = "#ffffff", "#000000"
TEXT = 4.6  # WCAG asks 4.5 of text; a little more survives rounding
SHAPE = 1.35  # a filled card must be seen against the page

Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Palette:
    """Six colors for one surface: fills with what is written on them, and the color of links and bars."""

    fill: str
    fill_deep: str
    on_fill: str
    accent: str
    on_accent: str
    soft: str

    def css(self) -> str:
        """Return the palette as custom properties."""
        names = ("fill", "fill_deep", "on_fill", "accent", "on_accent", "soft")
        return "".join(f"--brand-{name.replace('_', '-')}:{getattr(self, name)};" for name in names)


def day(color: str) -> Palette:
    """Return the palette for light surfaces."""
    return _palette(color, page=DAY_PAGE, card=DAY_CARD, away=INK)


def night(color: str) -> Palette:
    """Return the palette for dark surfaces."""
    return _palette(color, page=NIGHT_PAGE, card=NIGHT_CARD, away=WHITE)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors as WCAG counts it: 1 (the same) to 21 (black on white)."""
    light, dark = sorted((_luminance(_read(one)), _luminance(_read(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _palette(color: str, *, page: str, card: str, away: str) -> Palette:
    fill = _until(color, away, lambda shade: contrast(shade, page) >= SHAPE)
    on_fill = WHITE if contrast(WHITE, fill) >= TEXT else INK
    if contrast(on_fill, fill) < TEXT:  # a middle tone that neither white nor black is quite readable on
        fill = _until(fill, WHITE, lambda shade: contrast(INK, shade) >= TEXT)
    # The far end of the gradient moves away from the text, so that it only gets easier to read.
    fill_deep = _mix(fill, INK if on_fill == WHITE else WHITE, 0.22)
    soft = _mix(card, color, 0.09)
    accent = _until(color, away, lambda shade: min(contrast(shade, at) for at in (page, card, soft)) >= TEXT)
    on_accent = WHITE if contrast(WHITE, accent) >= TEXT else INK
    return Palette(fill, fill_deep, on_fill, accent, on_accent, soft)


def _until(color: str, target: str, enough: Callable[[str], bool]) -> str:
    for step in range(51):
        shade = _mix(color, target, step / 50)
        if enough(shade):
            return shade
    return target


def _mix(one: str, other: str, share: float) -> str:
    mixed = (a + (b - a) * share for a, b in zip(_read(one), _read(other), strict=True))
    return "#" + "".join(f"{round(part * 255):02x}" for part in mixed)


def _read(color: str) -> Rgb:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _luminance(rgb: Rgb) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
