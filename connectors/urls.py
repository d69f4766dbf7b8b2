from django.urls import URLPattern, URLResolver, path

from connectors import hooks

urlpatterns: list[URLPattern | URLResolver] = [
    path("<slug:kind>/<slug:merchant>/<slug:code>", hooks.receive, name="hook"),
]
