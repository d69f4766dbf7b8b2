"""Every text a customer sees exists in every language we ship, and what is compiled is what is written."""

import gettext
import re
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.utils import translation

ROOT = Path(__file__).parents[2]
SOURCES = [
    *(ROOT / "templates/portal").glob("*.html"),
    *(ROOT / "templates").glob("*.html"),
    *(ROOT / "templates/messages").rglob("*.*"),
    *(ROOT / "portal").glob("*.py"),
    ROOT / "customers/sign_in.py",
    ROOT / "loyalty/statement.py",
]
TAG = re.compile(r"""\{% translate (?P<mark>["'])(.*?)(?P=mark)""")
CALL = re.compile(r"""(?:\b_|gettext(?:_lazy)?)\(\s*"((?:[^"\\]|\\.)*)"\s*\)""")


def catalog(language):
    place = ROOT / f"locale/{language}/LC_MESSAGES/django.po"
    return read_po(place.open("rb"), locale=language)


def texts():
    for source in SOURCES:
        written = source.read_text()
        if source.suffix == ".py":
            yield from ((source.name, text) for text in CALL.findall(written))
        else:
            yield from ((source.name, text) for _, text in TAG.findall(written))


def holes(text):
    """The names a text leaves open: `%(money)s`."""
    return sorted(re.findall(r"%\((\w+)\)", text))


@pytest.mark.parametrize("language", ["de", "pt"])
def test_every_text_of_the_portal_is_translated(language):
    known = {message.id: message.string for message in catalog(language) if isinstance(message.id, str)}

    untold = {(place, text) for place, text in texts() if not known.get(text)}

    assert len(list(texts())) > 120
    assert not untold


@pytest.mark.parametrize("language", ["de", "pt"])
def test_translations_keep_the_names_and_marks_of_their_text(language):
    for message in catalog(language):
        if isinstance(message.id, str) and message.id:
            assert holes(message.string) == holes(message.id), message.id
            assert message.string.count("<") == message.id.count("<"), message.id
            ends = message.id[-1] if message.id[-1] in string.punctuation else ""
            assert message.string.endswith(ends), message.id
        assert not message.fuzzy


@pytest.mark.parametrize("language", ["de", "pt"])
def test_what_is_compiled_is_what_is_written(language):
    with (ROOT / f"locale/{language}/LC_MESSAGES/django.mo").open("rb") as compiled:
        table = gettext.GNUTranslations(compiled)

    for message in catalog(language):
        if isinstance(message.id, str) and message.id and message.string:
            assert table.gettext(message.id) == message.string


def test_a_page_in_german(client, db, cafe):
    page = client.get("/cafe-mira", headers={"Accept-Language": "de-AT,de;q=0.9"}).content.decode()

    assert "Anmelden oder mitmachen" in page
    assert '<html lang="de">' in page


def test_a_browser_of_another_tongue_gets_the_merchants_language(client, db, cafe):
    cafe.language = "pt"
    cafe.save()

    page = client.get("/cafe-mira", headers={"Accept-Language": "fi"}).content.decode()

    assert "Entrar ou aderir" in page


def test_the_language_of_a_page_does_not_stay_on_the_thread(client, db, cafe):
    for path in ("/", "/cafe-mira", "/nobody"):
        client.get(path, headers={"Accept-Language": "pt"})

        assert translation.get_language() == "en"
