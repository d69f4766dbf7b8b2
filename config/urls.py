"""Every address of the service, by door."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from lib import health

urlpatterns = [
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("api/", include("api.urls")),
    # Without its secret the door would believe anybody.
    *([path("hooks/mail/", include("anymail.urls"))] if settings.MAIL_WEBHOOK_SECRET else []),
    path("hooks/", include("connectors.urls")),
    path("admin/", admin.site.urls),
    path("", include("portal.urls")),
]
