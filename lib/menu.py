"""The admin's sidebar by job: each page says in which section of `settings.ADMIN_MENU` it stands."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from lib.admin import ScopedAdmin


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sections with the pages that the reader may see."""
    pages = sorted(
        (page for page in admin.site._registry.values() if isinstance(page, ScopedAdmin) and page.menu),
        key=lambda page: (page.menu_order, str(page.opts.verbose_name_plural)),
    )
    start = {"title": _("Start"), "icon": "home", "link": reverse("admin:index")}
    sections: list[dict[str, Any]] = [{"title": "", "items": [start]}]
    for key, section in settings.ADMIN_MENU:
        items = [
            item
            for page in pages
            if page.menu == key and page.has_view_permission(request)
            for item in _items(page, request)
        ]
        if items:
            sections.append({"title": section, "separator": True, "items": items})
    return sections


def _items(page: ScopedAdmin, request: HttpRequest) -> list[dict[str, Any]]:
    """Return a page's list and what else it offers; only the one that is open is marked."""
    more = [
        {"title": title, "icon": icon, "link": link, "active": request.path == link}
        for title, icon, link in page.more_pages(request)
    ]
    link = page.address("changelist")
    title = capfirst(page.opts.verbose_name_plural)
    first: dict[str, Any] = {"title": title, "icon": page.icon, "link": link}
    if any(item["active"] for item in more):
        first["active"] = False
    return [first, *more]
