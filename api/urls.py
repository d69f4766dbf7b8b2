"""The calls of the API, one line each. Whatever else lies below /api/v1 does not exist."""

from django.urls import URLPattern, URLResolver, path, re_path

from api import (
    adjustments,
    batches,
    customers,
    docs,
    door,
    entries,
    programs,
    purchases,
    redemptions,
    refunds,
    rewards,
    touchpoints,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("schema", docs.Schema.as_view(), name="api-schema"),
    path("docs", docs.Page.as_view(), name="api-docs"),
    path("v1/customers", customers.Customers.as_view()),
    path("v1/customers/lookup", customers.Lookup.as_view()),
    path("v1/customers/<str:customer>", customers.OneCustomer.as_view()),
    path("v1/customers/<str:customer>/balance", entries.Balance.as_view()),
    path("v1/customers/<str:customer>/entries", entries.Entries.as_view()),
    path("v1/customers/<str:customer>/export", entries.Export.as_view()),
    path("v1/customers/<str:customer>/timeline", entries.Timeline.as_view()),
    path("v1/purchases", purchases.Purchases.as_view()),
    path("v1/purchases/<str:purchase>", purchases.OnePurchase.as_view()),
    path("v1/purchases/<str:purchase>/refunds", refunds.PurchaseRefunds.as_view()),
    path("v1/purchases/<str:purchase>/release", purchases.Release.as_view()),
    path("v1/purchases/<str:purchase>/void", purchases.Void.as_view()),
    path("v1/refunds", refunds.Refunds.as_view()),
    path("v1/calculate", purchases.Calculate.as_view()),
    path("v1/batches", batches.Batches.as_view()),
    path("v1/adjustments", adjustments.Adjustments.as_view()),
    path("v1/rewards", rewards.Rewards.as_view()),
    path("v1/redemptions", redemptions.Redemptions.as_view()),
    path("v1/redemptions/<str:redemption>", redemptions.OneRedemption.as_view()),
    path("v1/redemptions/<str:redemption>/cancel", redemptions.Cancel.as_view()),
    path("v1/programs", programs.Programs.as_view()),
    path("v1/tiers", programs.Tiers.as_view()),
    path("v1/touchpoints", touchpoints.Touchpoints.as_view()),
    re_path(r"^v1(/.*)?$", door.Nowhere.as_view()),
]
