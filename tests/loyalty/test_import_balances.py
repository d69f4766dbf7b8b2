"""`import_balances` as an operator types it: what it prints, writes beside the file, and exits with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from loyalty import ledger
from tests.house.tree import ROOT
from tests.loyalty.test_balance_file import SAMPLES

pytestmark = pytest.mark.django_db
PROGRAM = """\
merchant: {slug: corner, name: Corner, currency: EUR, timezone: UTC, country: PT, test: true}
program:
  name: Corner Club
  earning: [{id: base, kind: per_amount, per_minor: {EUR: 100}}]
"""


def write(folder, name, *rows):
    path = folder / name
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def test_the_totals_tie_to_the_file(cafe, tmp_path, capsys):
    file = write(tmp_path, "smile.csv", *(SAMPLES / "smile.csv").read_text().splitlines())

    call_command("import_balances", "cafe-mira", str(file), map="smile")

    said = capsys.readouterr().out
    assert "3 rows: 2 brought in, 0 known already, 1 of nobody in the program, 0 refused" in said
    assert "1,290 points in the file: 1,290 brought in" in said
    assert "Rows by tier: Bronze 1, Gold 1." in said
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 1290
    assert list(tmp_path.iterdir()) == [file]


def test_refused_rows_are_reported_corrected_and_imported(cafe, tmp_path, capsys):
    file = write(tmp_path, "f.csv", "email,points,shoe", "a@example.com,5,red", "b@example.com,five,blue")
    report = tmp_path / "to-do.csv"

    with pytest.raises(SystemExit):
        call_command("import_balances", "cafe-mira", str(file), report=report)

    assert "not brought in: shoe" in capsys.readouterr().out
    head, row = report.read_text().splitlines()
    assert head == "line,code,reason,email,points,shoe"
    assert row.startswith("3,bad_points,")
    assert row.endswith("b@example.com,five,blue")
    report.write_text(report.read_text().replace(",five,", ",7,"))
    call_command("import_balances", "cafe-mira", str(report))
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 12


def test_a_dry_run_in_json_says_the_same_and_saves_nothing(cafe, tmp_path, capsys):
    history = write(tmp_path, "h.csv", "customer,at,points", "rui@example.com,2025-01-02,120")

    call_command(
        "import_balances", "cafe-mira", str(SAMPLES / "ours.csv"), json=True, dry_run=True, history=history
    )

    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["points"], said["dry_run"]) == (4, 185, True)
    assert said["history"]["created"] == 1
    assert ledger.totals(merchant_id=cafe.pk)["active"] == 0


@pytest.mark.parametrize(
    ("merchant", "file", "name", "told"),
    [
        ("nobody", "f.csv", "ours", "Known: cafe-mira"),
        ("cafe-mira", "none.csv", "ours", "no file"),
        ("cafe-mira", "f.csv", "yotpo", "Known: loyaltylion"),
        ("cafe-mira", "f.csv", "odoo", "No column says who"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_do(cafe, tmp_path, merchant, file, name, told):
    write(tmp_path, "f.csv", "points,shoe", "5,red")

    with pytest.raises(CommandError, match=told):
        call_command("import_balances", merchant, str(tmp_path / file), map=name)


@pytest.mark.slow
@pytest.mark.core
def test_killed_in_the_middle_it_goes_on(tmp_path):
    """A real process on a database of its own, killed without a word while it works."""
    folder: Path = tmp_path
    settings = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    settings |= {"DATA_DIR": str(folder / "var"), "LOG_LEVEL": "ERROR", "TESTING": ""}

    def start(*command):
        return subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(*command):
        process = start(*command)
        said, complained = process.communicate(timeout=280)
        assert process.returncode == 0, complained[-2000:]
        return said

    run("migrate")
    run("program", "apply", str(write(folder, "p.yaml", *PROGRAM.splitlines())))
    rows = [f"p{number}@example.com,3" for number in range(6_000)]
    file = write(folder, "f.csv", "email,points", *rows)
    killed = start("import_balances", "corner", str(file))
    for line in killed.stderr:
        if line.startswith(("1", "2", "3", "4", "5", "6")):  # some tenths are done
            break
    time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    said = json.loads(run("import_balances", "corner", str(file), "--json"))

    assert killed.returncode == -signal.SIGKILL
    assert said["replayed"] > 0
    assert said["created"] + said["replayed"] == 6_000
    assert said["points"] + said["points_before"] == 18_000
    assert json.loads(run("import_balances", "corner", str(file), "--json"))["points_before"] == 18_000
    assert "add up" in run("verify_ledger")
