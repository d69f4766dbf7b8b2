"""A code by e-mail proves an address, once, for ten minutes, in five tries."""

from datetime import timedelta

import pytest

from customers import people, sign_in
from customers.identifiers import Given, InvalidIdentifier
from customers.models import Identifier, SignInCode
from lib.db import watching

pytest_plugins = ["tests.mail"]


@pytest.fixture
def shop(cafe):
    """The café, open to real people: its mail goes to the mail server."""
    cafe.is_test = False
    cafe.save()
    return cafe


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_the_code_lets_ana_in(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="Ana@Example.com ", at=noon)

    found = sign_in.use_code(merchant=shop, contact="ana@example.com", code=post_office.code(), at=noon)

    assert found == ana
    [letter] = post_office.letters
    assert letter.recipients == ["ana@example.com"]
    assert letter["Subject"] == f"{post_office.code()} is your code for Café Mira"
    assert "Café Mira" in str(letter["From"])
    assert post_office.code() in letter.get_body(("html",)).get_content()


def test_the_code_may_be_typed_with_a_gap(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    code = post_office.code()

    assert (
        sign_in.use_code(merchant=shop, contact="ana@example.com", code=f" {code[:3]} {code[3:]} ", at=noon)
        == ana
    )


def test_a_code_works_once(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    sign_in.use_code(merchant=shop, contact="ana@example.com", code=post_office.code(), at=noon)

    with pytest.raises(sign_in.WrongCode):
        sign_in.use_code(merchant=shop, contact="ana@example.com", code=post_office.code(), at=noon)


def test_a_code_is_over_after_ten_minutes(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    code = post_office.code()

    with pytest.raises(sign_in.WrongCode):
        sign_in.use_code(merchant=shop, contact="ana@example.com", code=code, at=noon + timedelta(minutes=10))
    assert (
        sign_in.use_code(
            merchant=shop, contact="ana@example.com", code=code, at=noon + timedelta(minutes=9, seconds=59)
        )
        == ana
    )


def test_only_the_newest_code_counts(shop, ana, noon, post_office):
    for minute in (0, 1):
        sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon + timedelta(minutes=minute))
    first, second = post_office.code(0), post_office.code(1)
    later = noon + timedelta(minutes=2)

    if first != second:
        with pytest.raises(sign_in.WrongCode):
            sign_in.use_code(merchant=shop, contact="ana@example.com", code=first, at=later)
    assert sign_in.use_code(merchant=shop, contact="ana@example.com", code=second, at=later) == ana


def test_after_five_wrong_tries_even_the_right_code_is_refused(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    code = post_office.code()
    for _ in range(sign_in.TRIES):
        with pytest.raises(sign_in.WrongCode):
            sign_in.use_code(merchant=shop, contact="ana@example.com", code=wrong(code), at=noon)

    with pytest.raises(sign_in.WrongCode):
        sign_in.use_code(merchant=shop, contact="ana@example.com", code=code, at=noon)


@pytest.mark.django_db(transaction=True)
def test_twenty_guesses_at_once_count_as_five(shop, ana, noon, post_office, at_once):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    code = post_office.code()

    answers = at_once(
        20,
        lambda n: sign_in.use_code(merchant=shop, contact="ana@example.com", code=wrong(code), at=noon),
    )

    assert {type(answer) for answer in answers} == {sign_in.WrongCode}
    assert SignInCode.objects.get().tries == sign_in.TRIES


@pytest.mark.django_db(transaction=True)
def test_the_same_code_typed_twice_at_once_works_once(shop, ana, noon, post_office, at_once):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    code = post_office.code()

    answers = at_once(
        4, lambda n: sign_in.use_code(merchant=shop, contact="ana@example.com", code=code, at=noon)
    )

    assert answers.count(ana) == 1


def test_a_stranger_gets_a_code_too_and_the_same_work_is_done(shop, ana, noon, post_office):
    with watching() as for_ana:
        sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    with watching() as for_a_stranger:
        sign_in.send_code(merchant=shop, contact="zoe@example.com", at=noon)

    assert for_ana.statements == for_a_stranger.statements
    for_nobody = post_office.text(1).replace(post_office.code(1), "")
    assert for_nobody == post_office.text(0).replace(post_office.code(0), "")
    assert (
        sign_in.use_code(merchant=shop, contact="zoe@example.com", code=post_office.code(1), at=noon) is None
    )


def test_a_code_is_kept_as_a_hash_only(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)

    row = SignInCode.objects.values().get()
    assert post_office.code() not in str({**row, "id": 0, "code_hash": "", "contact_hash": ""})
    assert "ana" not in str(row)
    assert len(row["code_hash"]) == len(row["contact_hash"]) == 64


def test_a_code_of_one_merchant_is_worth_nothing_at_another(shop, ana, bar_nilo, bo, noon, post_office):
    people.change(customer=bo, at=noon, by="test", name="Bo")
    sign_in.send_code(merchant=shop, contact="bo@example.com", at=noon)

    with pytest.raises(sign_in.WrongCode):
        sign_in.use_code(merchant=bar_nilo, contact="bo@example.com", code=post_office.code(), at=noon)
    assert sign_in.use_code(merchant=shop, contact="bo@example.com", code=post_office.code(), at=noon) is None


def test_the_fourth_code_in_ten_minutes_is_refused(shop, ana, noon, post_office):
    for _ in range(3):
        sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)

    with pytest.raises(sign_in.TooManyCodes):
        sign_in.send_code(merchant=shop, contact="ANA@example.com", at=noon)
    sign_in.send_code(merchant=shop, contact="zoe@example.com", at=noon)
    assert len(post_office.letters) == 4


def test_a_mail_server_that_refuses_is_said_aloud_and_leaves_no_code(shop, ana, noon, post_office):
    post_office.refuses = True

    with pytest.raises(sign_in.CodeNotSent):
        sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)
    assert not SignInCode.objects.exists()


def test_a_mail_server_that_is_down_is_said_aloud(shop, ana, noon, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    with pytest.raises(sign_in.CodeNotSent):
        sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)


def test_a_sandbox_writes_its_mail_to_files(cafe, ana, noon, post_office, settings, tmp_path):
    settings.DATA_DIR = tmp_path

    sign_in.send_code(merchant=cafe, contact="ana@example.com", at=noon)

    assert not post_office.letters
    [letter] = (tmp_path / "mail").iterdir()
    assert "your code to sign in at Café Mira is:" in letter.read_text()


def test_a_blocked_customer_is_told_at_the_end_only(shop, ana, noon, post_office):
    people.block(customer=ana, at=noon, by="test", reason="fraud")
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)

    with pytest.raises(sign_in.AccountClosed):
        sign_in.use_code(merchant=shop, contact="ana@example.com", code=post_office.code(), at=noon)


def test_an_address_somebody_merely_typed_matches_nobody(shop, ana, noon, post_office):
    people.add_identifiers(
        customer=ana, given=[Given("email", "zoe@example.com")], at=noon, by="test", verified=False
    )
    sign_in.send_code(merchant=shop, contact="zoe@example.com", at=noon)

    found = sign_in.use_code(merchant=shop, contact="zoe@example.com", code=post_office.code(), at=noon)

    assert found is None
    assert Identifier.objects.get(value="zoe@example.com").verified_at is None


@pytest.mark.parametrize("contact", ["", "ana", "ana@", "a b@example.com", "ana@example.com\x00", "x" * 300])
def test_what_is_no_address_is_refused(shop, noon, contact):
    with pytest.raises(InvalidIdentifier):
        sign_in.send_code(merchant=shop, contact=contact, at=noon)


def test_old_codes_are_forgotten(shop, ana, noon, post_office):
    sign_in.send_code(merchant=shop, contact="ana@example.com", at=noon)

    assert sign_in.forget(at=noon + timedelta(hours=1)) == 0
    assert sign_in.forget(at=noon + timedelta(days=2)) == 1
