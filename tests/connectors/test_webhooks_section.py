"""The webhooks of a program file: applied again and again, exported without secrets."""

from datetime import UTC, datetime

import pytest

from connectors import endpoints
from connectors.models import WebhookEndpoint
from lib import secrets
from loyalty import program_file
from loyalty.program_faults import BadProgramFile

pytestmark = [pytest.mark.core, pytest.mark.django_db]
AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
FILE = """\
merchant: {slug: cafe-lua, name: Café Lua, currency: EUR, timezone: Europe/Lisbon, country: PT}
program:
  name: Lua Club
  earning:
    - {id: base, kind: per_amount, points: 1, per_minor: {EUR: 100}}
  webhooks:
    - id: crm
      url: https://1.1.1.1/hooks
      events: [customer.*, consent.*]
      secret: "env:CRM_WEBHOOK_SECRET"
      mapping: {mail: customer.email}
"""
ENV = {"CRM_WEBHOOK_SECRET": endpoints.new_secret()}


def apply(text=FILE, env=ENV):
    return program_file.apply(text=text, at=AT, by="test", env=env)


def test_a_file_adds_an_endpoint_with_its_secret():
    apply()

    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.url, endpoint.kinds) == ("https://1.1.1.1/hooks", ["customer.*", "consent.*"])
    assert secrets.open(endpoint.secret_sealed) == ENV["CRM_WEBHOOK_SECRET"]


def test_applying_twice_changes_nothing_and_the_export_names_no_secret():
    apply()
    assert apply() == []

    exported = program_file.export(merchant="cafe-lua")

    assert "env:CRM_WEBHOOK_SECRET" in exported
    assert ENV["CRM_WEBHOOK_SECRET"] not in exported
    assert apply(exported) == []


def test_another_secret_is_a_rotation():
    apply()
    new = endpoints.new_secret()
    assert apply(env={"CRM_WEBHOOK_SECRET": new}) == ["program.webhooks crm.secret: a new value"]

    endpoint = WebhookEndpoint.objects.get()
    assert endpoints.good_secrets(endpoint, at=AT) == [new, ENV["CRM_WEBHOOK_SECRET"]]


def test_what_the_file_drops_is_switched_off_and_others_stay():
    apply()
    merchant = WebhookEndpoint.objects.get().merchant
    other, _ = endpoints.add(merchant=merchant, url="https://1.1.1.1/other", kinds=["*"], at=AT)
    apply(FILE.partition("    - id: crm")[0].replace("webhooks:", "webhooks: []"))

    assert not WebhookEndpoint.objects.get(code="crm").is_on
    other.refresh_from_db()
    assert other.is_on
    apply()
    assert WebhookEndpoint.objects.get(code="crm").is_on


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://1.1.1.1/hooks", "https://10.0.0.1/hooks"),
        ("customer.*", "nobody.*"),
        ("env:CRM_WEBHOOK_SECRET", "env:SECRET_KEY"),
        ("env:CRM_WEBHOOK_SECRET", "short"),
        ("mapping:", "mappings:"),
    ],
)
def test_what_cannot_be_is_refused(old, new):
    with pytest.raises(BadProgramFile):
        apply(FILE.replace(old, new))
    assert not WebhookEndpoint.objects.exists()
