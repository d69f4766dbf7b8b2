"""The service's addresses with the door of mail providers, as it is where MAIL_WEBHOOK_SECRET is set."""

from django.urls import include, path

from config.urls import urlpatterns as ours

urlpatterns = [path("hooks/mail/", include("anymail.urls")), *ours]
