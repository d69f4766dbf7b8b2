"""One settings file: the environment differs, and what it leaves out is made once and safely."""

import os
import stat
import subprocess
import sys

import pytest

from tests.house.tree import ROOT

KEYS = ["SECRET_KEY", "FIELD_KEY", "LOOKUP_KEY", "LEDGER_KEY"]
FROM_TESTS = {
    "DATABASE_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "DATA_DIR",
    "BASE_URL",
    "EMAIL_URL",
    "ALLOWED_HOSTS",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
}
PRINT_KEYS = (
    "import django; from django.conf import settings as s; "
    "print(s.SECRET_KEY, s.FIELD_KEY, s.LOOKUP_KEY, s.LEDGER_KEY)"
)


@pytest.fixture
def run(tmp_path):
    """`run("-c", code, BASE_URL=...)` runs Python in an empty DATA_DIR with only that in the environment."""

    def start(*arguments, **environment):
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if name not in FROM_TESTS},
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATA_DIR": str(tmp_path / "data"),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def say(process):
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def test_keys_are_made_once_also_by_processes_that_start_together(run, tmp_path):
    made = {say(process) for process in [run("-c", PRINT_KEYS) for _ in range(4)]}

    assert len(made) == 1
    assert len(set(made.pop().split())) == 4
    assert {path.name for path in (tmp_path / "data" / "keys").iterdir()} == {name.lower() for name in KEYS}


def test_nobody_else_can_read_the_keys(run, tmp_path):
    say(run("-c", PRINT_KEYS))

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data" / "keys").iterdir()]
    assert modes == [0o600] * 4
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_given_keys_win_and_none_is_kept(run, tmp_path):
    given = {name: f"{name.lower()}-of-the-environment" for name in KEYS}

    assert say(run("-c", PRINT_KEYS, **given)).split() == list(given.values())
    assert not (tmp_path / "data" / "keys").exists()


def test_an_https_address_makes_a_deployment_that_django_has_nothing_to_say_about(run):
    answer = say(
        run(
            "manage.py", "check", "--deploy", "--fail-level", "WARNING", BASE_URL="https://points.example.com"
        )
    )

    assert "no issues" in answer


@pytest.mark.parametrize(
    ("environment", "id_"),
    [
        ({"FIELD_KEY": "not-a-fernet-key"}, "config.E001"),
        ({"LOOKUP_KEY": "the-same", "LEDGER_KEY": "the-same"}, "config.E002"),
        ({"BASE_URL": "points.example.com"}, "config.E003"),
    ],
)
def test_a_contradiction_is_said_at_start_with_what_to_do(run, environment, id_):
    process = run("manage.py", "check", **environment)
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert id_ in said
    assert "HINT" in said
