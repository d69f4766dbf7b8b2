"""API keys: found with one statement, refused at once."""

from datetime import timedelta

import pytest

from lib import db
from lib.errors import Malformed, Refused
from merchants import keys
from merchants.models import ApiKey, Merchant, Store


@pytest.fixture(autouse=True)
def _no_uses():
    keys._uses.clear()
    keys._written.clear()


def row(token):
    return ApiKey.objects.get(digest=keys.digest(token))


def test_issue_keeps_only_the_digest(cafe):
    token = keys.issue(merchant=cafe, name="till 1", by="owner")

    kept = ApiKey.objects.filter(merchant=cafe).values().get()
    assert token.startswith("lk_test_")
    assert len(token) >= 50
    assert token not in str(kept)
    assert kept["hint"] == token[:12]


def test_find_answers_what_the_key_opens(cafe, noon):
    store = Store.objects.create(merchant=cafe, code="baixa", name="Baixa")
    token = keys.issue(merchant=cafe, scopes=["customers:read", "purchases:write"], store=store, till="T1")

    key = keys.find(token, at=noon)

    assert key.merchant == cafe
    assert key.scopes == {"customers:read", "purchases:write"}
    assert (key.store_id, key.store_code, key.till, key.is_test) == (store.pk, "baixa", "T1", True)
    assert key.allows("customers:read")
    assert not key.allows("points:adjust")


def test_find_takes_one_statement(cafe, noon):
    token = keys.issue(merchant=cafe)

    with db.watching() as watch:
        keys.find(token, at=noon)

    assert watch.statements == 1


def test_a_star_allows_everything(cafe, noon):
    assert keys.find(keys.issue(merchant=cafe), at=noon).allows("reports:read")


@pytest.mark.parametrize("token", ["", "lk_test_nobody", "Bearer", "lk_" + "x" * 500, "lk_\x00", "lk_ümlaut"])
def test_find_knows_no_other_key(cafe, noon, token):
    keys.issue(merchant=cafe)

    assert keys.find(token, at=noon) is None


def test_a_revoked_key_opens_nothing_at_once(cafe, noon):
    token = keys.issue(merchant=cafe)
    assert keys.find(token, at=noon)

    keys.revoke(key=row(token), at=noon)

    assert keys.find(token, at=noon) is None


def test_revoke_told_twice_keeps_the_first_time(cafe, noon):
    token = keys.issue(merchant=cafe)
    keys.revoke(key=row(token), at=noon)
    keys.revoke(key=row(token), at=noon + timedelta(days=1))

    assert row(token).revoked_at == noon


def test_a_key_runs_out(cafe, noon):
    token = keys.issue(merchant=cafe, expires_at=noon)

    assert keys.find(token, at=noon - timedelta(seconds=1))
    assert keys.find(token, at=noon) is None


def test_a_closed_merchant_has_no_keys(cafe, noon):
    token = keys.issue(merchant=cafe)
    assert keys.find(token, at=noon)

    Merchant.objects.filter(pk=cafe.pk).update(is_active=False)

    assert keys.find(token, at=noon) is None


def test_find_sees_a_changed_merchant_at_once(cafe, noon):
    token = keys.issue(merchant=cafe)
    assert keys.find(token, at=noon).merchant.name == "Café Mira"

    Merchant.objects.filter(pk=cafe.pk).update(name="Café Nova", timezone="Europe/Madrid")

    merchant = keys.find(token, at=noon).merchant
    assert (merchant.name, merchant.zone.key) == ("Café Nova", "Europe/Madrid")
    assert merchant.created_at == Merchant.objects.get(pk=cafe.pk).created_at


def test_the_outsiders_key_opens_the_outsiders_shop_only(cafe, bar_nilo, noon):
    assert keys.find(keys.issue(merchant=bar_nilo), at=noon).merchant == bar_nilo


def test_issue_refuses_a_scope_that_does_not_exist(cafe):
    for scopes in (["customers:steal"], []):
        with pytest.raises(Malformed) as refused:
            keys.issue(merchant=cafe, scopes=scopes)
        assert refused.value.code == "unknown_scope"


def test_issue_refuses_a_live_key_for_a_sandbox(cafe):
    with pytest.raises(Refused) as refused:
        keys.issue(merchant=cafe, is_test=False)

    assert refused.value.code == "wrong_mode"


def test_the_last_use_is_written_after_the_answer_once_a_minute(cafe, noon):
    token = keys.issue(merchant=cafe)
    keys.find(token, at=noon)
    assert row(token).last_used_at is None

    keys.write_uses()
    assert row(token).last_used_at == noon

    keys.find(token, at=noon + timedelta(seconds=10))
    keys.write_uses()
    assert row(token).last_used_at == noon


def test_the_last_use_is_written_again_after_a_minute(cafe, noon, monkeypatch):
    token = keys.issue(merchant=cafe)
    keys.find(token, at=noon)
    keys.write_uses()
    before = keys.time.monotonic()
    monkeypatch.setattr(keys.time, "monotonic", lambda: before + 61)

    keys.find(token, at=noon + timedelta(minutes=1))
    keys.write_uses()

    assert row(token).last_used_at == noon + timedelta(minutes=1)
