"""How the admin looks: its names, its colors, and its sidebar's sections, and where its parts come from."""

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

ADMIN_MENU = [
    ("customers", _("Customers")),
    ("purchases", _("Purchases")),
    ("points", _("Points")),
    ("rewards", _("Rewards")),
    ("engagement", _("Messages")),
    ("insights", _("Reports")),
    ("program", _("Program")),
    ("shop", _("Shop")),
    ("operations", _("Operations")),
]


def shades(hue: int, *steps: tuple[float, float]) -> dict[str, str]:
    """Return the theme's eleven shades, light to dark, from pairs of lightness (percent) and chroma."""
    names = ("50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950")
    return {
        name: f"oklch({light}% {chroma} {hue})" for name, (light, chroma) in zip(names, steps, strict=True)
    }


UNFOLD = {
    "SITE_TITLE": "Loyalty",
    "SITE_HEADER": "Loyalty",
    "SITE_SUBHEADER": _("Points, tiers, customers"),
    "SITE_SYMBOL": "loyalty",
    "SITE_URL": "/",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("loyalty/mark.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("loyalty/admin.css")],
    "DASHBOARD_CALLBACK": "lib.start_page.fill",
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "lib.menu.sidebar"},
    "COLORS": {
        "base": shades(
            165,
            *((98.4, 0.003), (96.6, 0.004), (92.6, 0.006), (87, 0.008), (71, 0.012), (53.5, 0.015)),
            *((44.4, 0.016), (37, 0.016), (27.6, 0.014), (21, 0.012), (14.5, 0.01)),
        ),
        "primary": shades(
            165,
            *((97.6, 0.016), (94.6, 0.034), (89.4, 0.06), (82, 0.09), (74.5, 0.108), (67, 0.11)),
            *((47, 0.092), (41, 0.08), (35, 0.068), (29, 0.054), (21, 0.038)),
        ),
    },
}
