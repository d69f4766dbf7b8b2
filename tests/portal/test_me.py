"""My data: what the shop knows, what I allow, a download, and the way out."""

import io
import json
import zipfile

import pytest
from django.utils import timezone

from customers import consent
from customers.models import Consent, Customer, Identifier
from tests.portal.test_home import text
from tests.portal.visitor import sign_in

pytestmark = pytest.mark.django_db


def test_contacts_are_shown_with_whether_they_are_confirmed(client, ana):
    Identifier.objects.filter(type="phone").update(verified_at=None)
    sign_in(client, ana)

    page = text(client.get("/cafe-mira/me"))

    assert "ana@example.com ✓ confirmed" in page.replace("confirmed", "✓ confirmed")
    assert "+351912345678" in page
    assert page.count("confirmed") == 2


def test_the_name_can_be_changed(client, ana):
    sign_in(client, ana)

    assert client.post("/cafe-mira/me/name", {"name": " Ana Maria "}).status_code == 302

    ana.refresh_from_db()
    assert ana.name == "Ana Maria"
    assert "Saved." in text(client.get("/cafe-mira/me"))


@pytest.mark.parametrize("name", ["x" * 121, "Ana\x07"])
def test_a_name_that_cannot_be_one_is_said_beside_the_field(client, ana, name):
    sign_in(client, ana)

    answer = client.post("/cafe-mira/me/name", {"name": name})

    assert answer.status_code == 422
    assert 'id="id_name_error"' in answer.content.decode()
    ana.refresh_from_db()
    assert ana.name == "Ana"


def test_the_birthday_is_set_once_a_year(client, ana):
    sign_in(client, ana)

    assert client.post("/cafe-mira/me/birthday", {"day": "29", "month": "2"}).status_code == 302
    again = client.post("/cafe-mira/me/birthday", {"day": "1", "month": "3"})

    ana.refresh_from_db()
    assert ana.birthday == "02-29"
    assert again.status_code == 422
    assert "once a year" in text(again)


@pytest.mark.parametrize("said", [{"day": "31", "month": "2"}, {"day": "", "month": "2"}, {"day": "4"}, {}])
def test_a_birthday_that_is_none_is_refused(client, ana, said):
    sign_in(client, ana)

    assert client.post("/cafe-mira/me/birthday", said).status_code == 422
    ana.refresh_from_db()
    assert ana.birthday == ""


def test_consent_is_given_and_taken_back_with_its_wording(client, ana):
    sign_in(client, ana)

    client.post("/cafe-mira/me/consents", {"email-marketing": "on", "email-service": "on"})
    [given] = consent.current(customer=ana)
    assert (given.channel, given.purpose, given.granted) == ("email", "marketing", True)
    assert "Café Mira" in given.wording
    assert "checked" in client.get("/cafe-mira/me").content.decode()

    client.post("/cafe-mira/me/consents", {"email-service": "on"})
    [taken_back] = consent.current(customer=ana)
    assert not taken_back.granted
    assert Consent.objects.count() == 2


def test_the_download_holds_everything_of_ana_and_nothing_of_others(client, ana, bo):
    sign_in(client, ana)

    response = client.get("/cafe-mira/me/data.json")

    assert response.headers["Content-Type"] == "application/json"
    assert "attachment" in response.headers["Content-Disposition"]
    assert "ana@example.com" in json.dumps(json.loads(response.content))
    assert b"bo@example.com" not in response.content


def test_the_sheets_hold_the_same_as_a_zip(client, ana, bo):
    sign_in(client, ana)

    response = client.get("/cafe-mira/me/data.zip")

    assert response.headers["Content-Disposition"].endswith('.zip"')
    with zipfile.ZipFile(io.BytesIO(response.content)) as pack:
        text = "".join(pack.read(name).decode() for name in pack.namelist())
    assert "ana@example.com" in text
    assert "bo@example.com" not in text


def test_leaving_is_asked_once_more(client, ana):
    sign_in(client, ana)

    answer = client.post("/cafe-mira/me/leave", {})

    assert answer.status_code == 422
    assert "Tick the box" in text(answer)
    ana.refresh_from_db()
    assert ana.status == Customer.Status.ACTIVE


def test_leaving_erases_and_signs_out(client, ana):
    sign_in(client, ana)

    answer = client.post("/cafe-mira/me/leave", {"understood": "on"})

    assert answer.headers["Location"] == "/cafe-mira"
    ana.refresh_from_db()
    assert ana.status == Customer.Status.ERASED
    assert not Identifier.objects.filter(customer=ana).exists()
    page = text(client.get("/cafe-mira"))
    assert "You have left" in page
    assert "Sign in or join" in page


@pytest.mark.parametrize("path", ["name", "birthday", "consents", "leave"])
def test_who_is_not_signed_in_changes_nothing(client, cafe, ana, path):
    answer = client.post(f"/cafe-mira/me/{path}", {"name": "Eve", "understood": "on", "news": "on"})

    assert answer.headers["Location"] == "/cafe-mira"
    ana.refresh_from_db()
    assert (ana.name, ana.status) == ("Ana", Customer.Status.ACTIVE)
    assert not Consent.objects.exists()
    assert timezone.now() > ana.created_at
