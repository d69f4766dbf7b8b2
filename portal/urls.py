"""The customer's door: one merchant's pages under its short name."""

from django.urls import path

from portal import brand, front

app_name = "portal"
urlpatterns = [
    path("", front.page, name="front"),
    path("<slug:slug>/brand.css", brand.css, name="brand"),
]
