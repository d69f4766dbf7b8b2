"""The doctor says in one line each what is wrong, and what to do."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from config import diagnosis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def doctor():
    def ask(*arguments):
        output = StringIO()
        code = 0
        try:
            call_command("doctor", *arguments, stdout=output, no_color=True)
        except SystemExit as end:
            code = end.code
        return output.getvalue(), code

    return ask


def states(said):
    return {finding["name"]: finding["state"] for finding in json.loads(said)["findings"]}


def test_each_thing_has_one_line(doctor):
    said, _ = doctor()

    assert len(said.splitlines()) == len(diagnosis.CHECKS)
    assert all(line.startswith(("OK  ", "WARN", "FAIL")) for line in said.splitlines())


def test_a_machine_that_is_well_ends_with_zero(doctor):
    said, code = doctor("--json")

    assert {name for name, state in states(said).items() if state == "FAIL"} == set()
    assert states(said)["database"] == "OK"
    assert states(said)["broker"] == "OK"
    assert code == 0


def test_what_is_not_ok_says_what_to_do(doctor):
    said, _ = doctor("--json")

    assert [each for each in json.loads(said)["findings"] if each["state"] != "OK" and not each["todo"]] == []


def test_a_dead_broker_is_a_line_and_not_an_end(doctor, settings, monkeypatch):
    from celery import current_app

    monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"

    said, code = doctor("--json")

    assert states(said)["broker"] == "FAIL"
    assert states(said)["database"] == "OK"
    assert code == 1


def test_a_key_that_others_can_read_fails(doctor, settings, tmp_path):
    (tmp_path / "secret_key").write_text("secret")
    (tmp_path / "secret_key").chmod(0o644)
    settings.KEYS_DIR = tmp_path

    said, code = doctor("--json")

    assert states(said)["keys"] == "FAIL"
    assert code == 1


def test_a_mail_server_that_does_not_answer_fails(doctor, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    said, _ = doctor("--json")

    assert states(said)["mail_"] == "FAIL"
