"""Every address of the service, by door."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path

from api import touch
from lib import health

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/", include("api.urls")),
    # Without its secret the door would believe anybody.
    *([path("hooks/mail/", include("anymail.urls"))] if settings.MAIL_WEBHOOK_SECRET else []),
    path("hooks/", include("connectors.urls")),
    # What a shop's own pages tell. No merchant's page is named like these.
    path("t/touch.js", touch.script),
    re_path(r"^t/(?P<key>pk_[A-Za-z0-9_-]{8,37})$", touch.receive, name="touch"),
    path("admin/", admin.site.urls),
    path("", include("portal.urls")),
]
