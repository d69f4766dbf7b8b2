"""The customer's door: one merchant's pages under its short name."""

from django.urls import path

from portal import (
    brand,
    choices,
    front,
    history,
    home,
    inbox,
    language,
    me,
    refer,
    rewards,
    sign_in,
    vouchers,
)

app_name = "portal"
urlpatterns = [
    path("", front.page, name="front"),
    path("<slug:slug>", home.page, name="home"),
    path("<slug:slug>/", sign_in.home_with_slash),
    path("<slug:slug>/brand.css", brand.css, name="brand"),
    path("<slug:slug>/code", sign_in.code, name="code"),
    path("<slug:slug>/join", sign_in.join, name="join"),
    path("<slug:slug>/sign-out", sign_in.leave, name="sign_out"),
    path("<slug:slug>/language", language.choose, name="language"),
    path("<slug:slug>/history", history.page, name="history"),
    path("<slug:slug>/refer", refer.page, name="refer"),
    path("<slug:slug>/refer/qr.svg", refer.picture, name="refer_picture"),
    path("<slug:slug>/rewards", rewards.page, name="rewards"),
    path("<slug:slug>/rewards/mine/<str:redemption>", rewards.redeemed, name="redeemed"),
    path("<slug:slug>/rewards/mine/<str:redemption>/give-back", rewards.give_back, name="give_back"),
    path("<slug:slug>/rewards/<str:reward>", rewards.one, name="reward"),
    path("<slug:slug>/vouchers", vouchers.page, name="vouchers"),
    path("<slug:slug>/inbox", inbox.page, name="inbox"),
    path("<slug:slug>/stop/<str:token>", choices.stop, name="stop"),
    path("<slug:slug>/confirm/<str:token>", choices.confirm, name="confirm"),
    path("<slug:slug>/me", me.page, name="me"),
    path("<slug:slug>/me/birthday", me.birthday, name="birthday"),
    path("<slug:slug>/me/name", me.name, name="name"),
    path("<slug:slug>/me/consents", me.consents, name="consents"),
    path("<slug:slug>/me/data.json", me.data, name="data"),
    path("<slug:slug>/me/data.zip", me.sheets, name="sheets"),
    path("<slug:slug>/me/leave", me.leave, name="leave"),
]
