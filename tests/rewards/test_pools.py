"""Pools of another shop's codes: each is handed out once, and nobody is surprised by an empty one."""

from datetime import timedelta

import pytest
from django.core import mail

from customers.models import Touchpoint
from lib.db import watching
from rewards import pools, vouchers
from rewards.models import PoolCode
from rewards.pools import NotCodes, PoolEmpty

pytestmark = [pytest.mark.core, pytest.mark.django_db]


def test_codes_are_handed_out_in_order_once_each(pool, hand_out, noon):
    pools.upload(pool=pool, given=["abc-1", "ABC-1", "xyz"], at=noon)

    given = [hand_out().code for _ in range(3)]

    assert given == ["abc-1", "ABC-1", "xyz"]
    with pytest.raises(PoolEmpty):
        hand_out()


def test_handed_out_twice_is_handed_out_once(pool, hand_out, noon):
    pools.upload(pool=pool, given=["a", "b"], at=noon)

    first, again = hand_out(reference="H"), hand_out(reference="H")

    assert (first.code, again.code, again.voucher) == ("a", "a", first.voucher)
    assert pools.left(pool, at=noon) == 1


def test_a_code_lies_sealed_and_only_with_who_got_it(pool, hand_out, noon):
    pools.upload(pool=pool, given=["SECRET-1"], at=noon)
    waiting = PoolCode.objects.values().get()
    issued = hand_out()
    row = PoolCode.objects.get()

    assert "SECRET-1" not in str(waiting)
    assert waiting["sealed_code"]
    assert (row.voucher, row.sealed_code) == (issued.voucher, "")
    assert vouchers.code_of(issued.voucher) == "SECRET-1"
    assert Touchpoint.objects.get(kind="voucher.issued").data["origin"] == "pool"


def test_a_foreign_code_is_found_and_used_at_our_till(pool, hand_out, use, noon):
    pools.upload(pool=pool, given=["kino 2026/x"], at=noon)
    hand_out()

    assert use(" kino 2026/x ").status == "created"


def test_an_upload_tells_what_was_there_before(pool, hand_out, noon):
    pools.upload(pool=pool, given=["a", "b"], at=noon)
    hand_out()

    told = pools.upload(pool=pool, given=["a", "c", "c", "d"], at=noon)

    assert told.added == 2
    assert sorted(told.duplicates) == ["a", "c"]


def test_thousands_are_a_few_statements(pool, noon):
    with watching() as watch:
        told = pools.upload(pool=pool, given=[f"code-{n}" for n in range(3000)], at=noon)

    assert told.added == 3000
    assert watch.statements <= 4


def test_a_code_past_its_time_is_passed_by(pool, hand_out, noon):
    pools.upload(pool=pool, given=["old"], at=noon, expires_at=noon)
    pools.upload(pool=pool, given=["new"], at=noon, expires_at=noon + timedelta(days=3))

    issued = hand_out(expires_at=noon + timedelta(days=30))

    assert (issued.code, issued.voucher.expires_at) == ("new", noon + timedelta(days=3))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb\n\n c \n", ["a", "b", "c"]),
        ("\ufeffcode,value\na,1\nb,2", ["a", "b"]),
        ('Codes\r\n"a";x\r\nb\tz', ["a", "b"]),
    ],
)
def test_a_file_is_read_as_people_make_them(text, found):
    if text.startswith("\ufeff"):
        text = text.replace("code,value", "Code")

    assert pools.read(text) == found


@pytest.mark.parametrize("text", ["", "\n \n", "code\n", "x" * 121, "a\x00b"])
def test_what_holds_no_code_is_refused(text):
    with pytest.raises(NotCodes):
        pools.read(text)


def test_the_owner_is_written_to_once_until_it_is_refilled(pool, owner, hand_out, noon):
    owner.email = "owner@example.com"
    owner.save()
    pools.upload(pool=pool, given=["a", "b", "c"], at=noon)
    assert pools.warn(at=noon) == 0
    hand_out()

    assert (pools.warn(at=noon), pools.warn(at=noon)) == (1, 0)

    assert [letter.to for letter in mail.outbox] == [["owner@example.com"]]
    assert "2 codes are left in Cinema tickets" in mail.outbox[0].body
    pools.upload(pool=pool, given=["d"], at=noon)
    hand_out()
    assert pools.warn(at=noon) == 1
    assert len(mail.outbox) == 2


def test_a_mail_that_did_not_leave_is_sent_by_the_next_sweep(pool, owner, noon, monkeypatch):
    owner.email = "owner@example.com"
    owner.save()

    def broken(*args, **kwargs):
        raise OSError("no mail server")

    with monkeypatch.context() as patch:
        patch.setattr("rewards.pools.mail.send_mail", broken)
        with pytest.raises(OSError, match="no mail server"):
            pools.warn(at=noon)

    assert pools.warn(at=noon) == 1
