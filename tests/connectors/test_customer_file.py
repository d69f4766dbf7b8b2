"""Customers from the CSV exports of CRMs."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from connectors import column_maps
from customers import consent
from customers.consent import Choice
from customers.models import Consent, Customer, Identifier

pytestmark = pytest.mark.core

HUBSPOT = """\
Record ID,First Name,Last Name,Email,Phone Number,Date of birth,Unsubscribed from all email,Last Modified Date
101,Eva,Luz,eva@example.com,+351 912 000 001,1990-02-29,false,2026-04-01 10:00
102,Ana,,ana@example.com,,,true,2026-05-02 10:00
103,Rui,Sol,not an address,,,,2026-04-01 10:00
104,Zoe,Mar,zoe@example.com,,,maybe,2026-04-01 10:00
105,Bad,Time,bad@example.com,,,,yesterday
106,Too,Few
"""
MAILCHIMP = """\
Email Address,First Name,Last Name,Birthday,OPTIN_TIME,UNSUB_TIME,LAST_CHANGED,LEID
eva@example.com,Eva,Luz,02/29,2026-01-01 10:00:00,,2026-03-01 10:00:00,9001
rui@example.com,Rui,Sol,,2026-01-01 10:00:00,2026-02-01 10:00:00,2026-03-01 10:00:00,9002
"""
SALESFORCE = """\
Id,FirstName,LastName,Email,MobilePhone,Birthdate,HasOptedOutOfEmail,LastModifiedDate
003A,Eva,Luz,eva@example.com,,1990-05-31,false,2026-03-01T10:00:00.000+0000
003B,Rui,Sol,rui@example.com,,,true,2026-03-01T10:00:00.000+0000
"""


@pytest.fixture
def run(cafe, program, tmp_path, capsys):
    """`run(text, ...)` imports a file; returns (exit code, what was said, the report)."""

    def run(text, *more, merchant="cafe-mira"):
        file = tmp_path / "contacts.csv"
        file.write_text(text, encoding="utf-8")
        code = 0
        try:
            call_command("import_customers", merchant, str(file), *more)
        except SystemExit as left:
            code = left.code
        report = file.with_name("contacts.csv.errors.csv")
        return code, capsys.readouterr().out, report.read_text() if report.exists() else ""

    return run


def answers(email):
    owner = Identifier.objects.get(type="email", value=email).customer
    return [(one.channel, one.granted, one.source) for one in consent.current(customer=owner)]


def test_an_export_of_hubspot(run, ana, noon):
    consent.choose(customer=ana, choices=[Choice("email", "marketing", True)], at=noon)
    code, said, report = run(HUBSPOT.replace("1990-02-29", "1992-02-29"), "--source", "hubspot")

    assert code == 1
    assert "6 lines: created 1, changed 1, unchanged 0, refused 4" in said
    eva = Customer.objects.get(name="Eva Luz")
    assert eva.birthday == "02-29"
    assert answers("eva@example.com") == [("email", True, "hubspot")]
    assert answers("ana@example.com") == [("email", False, "hubspot")]
    assert [line.split(",")[0] for line in report.splitlines()] == ["line", "4", "5", "6", "7"]
    assert Identifier.objects.get(type="external_id", value="102").customer == ana


def test_twice_changes_nothing(run, ana):
    run(HUBSPOT, "--source", "hubspot")
    consents = Consent.objects.count()
    _, said, _ = run(HUBSPOT, "--source", "hubspot")

    assert "created 0, changed 0" in said
    assert Consent.objects.count() == consents


def test_a_rehearsal_saves_nothing(run):
    _, said, _ = run(MAILCHIMP, "--source", "mailchimp", "--dry-run")

    assert said.startswith("Would be: 2 lines: created 2")
    assert Customer.objects.count() == 0


def test_an_export_of_mailchimp_says_when_somebody_left(run):
    code, _, _ = run(MAILCHIMP, "--source", "mailchimp")

    assert code == 0
    assert answers("eva@example.com") == [("email", True, "mailchimp")]
    assert answers("rui@example.com") == [("email", False, "mailchimp")]
    assert Customer.objects.get(name="Eva Luz").birthday == "02-29"


def test_an_export_of_salesforce_reads_no_yes_from_a_missing_no(run):
    code, _, _ = run(SALESFORCE, "--source", "salesforce")

    assert code == 0
    assert answers("eva@example.com") == []
    assert answers("rui@example.com") == [("email", False, "salesforce")]


def test_one_person_in_two_systems_is_one_customer(run):
    run(MAILCHIMP, "--source", "mailchimp")
    run(SALESFORCE, "--source", "salesforce")

    assert Customer.objects.count() == 2
    assert Identifier.objects.filter(type="external_id").count() == 4


def test_a_map_of_ones_own(run, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("{system: pipedrive, name: P, columns: {external_id: [id], email: [mail], name: [who]}}")
    run("ID,Mail,Who\n7,eva@example.com,Eva\n", "--map", str(own))

    assert Identifier.objects.get(type="external_id").source == "pipedrive"


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("Name,Email\nEva,eva@example.com\n", [], "No column is named external_id"),
        ("external_id\n1\n", ["--source", "nobody"], "no column map"),
    ],
)
def test_what_cannot_be_read_is_said(run, text, more, words):
    with pytest.raises(CommandError, match=words):
        run(text, *more)


def test_every_map_reads():
    assert set(column_maps.all_maps()) == {"hubspot", "mailchimp", "plain", "salesforce"}
