"""Uses of benefits in the admin: read by staff, undone by who may, never edited."""

import pytest
from django.urls import reverse

from rewards import perks
from rewards.models import PerkGrant, PerkUse
from tests.rewards.giving import OAT, WELCOME, buy, promise

pytestmark = pytest.mark.django_db


@pytest.fixture
def used(cafe, ana, noon):
    promise(cafe, Bronze=[OAT], Silver=[WELCOME])
    buy(ana, 600)
    return perks.use(customer=ana, perk="oat", reference="P-1", at=noon, by="till").use


def undo(browser, use):
    return browser.post(reverse("admin:rewards_perkuse_undo", args=[use.pk]), {"is_sure": "on"})


def test_a_use_is_read_and_undone_once(desk, used, owner):
    page = desk.get(reverse("admin:rewards_perkuse_change", args=[used.pk])).content.decode()
    assert "Oat milk" in page
    assert f"/{used.pk}/undo/" in page

    for _ in range(2):
        assert undo(desk, used).status_code == 302

    back = PerkUse.objects.get(undoes=used)
    assert (back.by, PerkUse.objects.count()) == (owner.username, 2)
    page = desk.get(reverse("admin:rewards_perkuse_change", args=[used.pk])).content.decode()
    assert "Used, undone later" in page
    assert f"/{used.pk}/undo/" not in page
    assert desk.get(reverse("admin:rewards_perkuse_changelist")).status_code == 200


def test_who_only_reads_does_not_undo(sit_down, analyst, cashier, used):
    for staff in (analyst, cashier):
        assert undo(sit_down(staff), used).status_code == 403
    assert PerkUse.objects.count() == 1


def test_what_a_level_gave_is_read(desk, used):
    grant = PerkGrant.objects.get()

    page = desk.get(reverse("admin:rewards_perkgrant_change", args=[grant.pk])).content.decode()

    assert "Welcome to Silver" in page
    assert "100" in page
