"""The commands as an operator runs them: real processes on a database of their own, one day in one shop."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """\
merchant: {slug: corner, name: Corner, currency: EUR, timezone: UTC, country: PT, test: true}
program:
  name: Corner Club
  expiry: {mode: age, months: 6}
  earning: [{id: base, kind: per_amount, per_minor: {EUR: 100}}]
"""
COLUMNS = "customer,reference,occurred_at,amount_minor"
FIRST = "WHERE membership_id = (SELECT min(membership_id) FROM loyalty_account)"


class Shell:
    """Runs manage.py in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            **{
                name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
            },
            "DATA_DIR": str(folder / "var"),
            "LOG_LEVEL": "ERROR",
            "TESTING": "",
        }

    def start(self, *command):
        return subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *command, exits=0):
        process = self.start(*command)
        said, complained = process.communicate(timeout=300)
        assert process.returncode == exits, complained[-3000:]
        assert "Traceback" not in complained
        return said if exits == 0 else said + complained

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return str(self.folder / name)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("shop"))
    shell("migrate", "-v0")
    shell("program", "apply", shell.write("corner.yaml", PROGRAM))
    return shell


def test_a_program_is_applied_exported_and_applied_again(shell):
    assert shell("program", "apply", shell.write("corner.yaml", PROGRAM)) == "nothing to change\n"
    changed = shell.write("changed.yaml", PROGRAM.replace("months: 6", "months: 9"))
    assert shell("program", "apply", changed, "--dry-run").startswith("program.expiry.months: 6 -> 9\n")
    exported = shell.write("exported.yaml", shell("program", "export", "corner"))
    assert shell("program", "apply", exported) == "nothing to change\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            PROGRAM.replace("months: 6", "months: x"),
            "line 4: program.expiry.months: must be a whole number, not 'x'",
        ),
        ("\xff", "two parts: `merchant:` and `program:`"),
        (PROGRAM.replace("test: true", "test: false"), "another slug"),
    ],
)
def test_a_program_that_cannot_be_applied_is_refused_in_words(shell, text, said):
    assert said in shell("program", "apply", shell.write("bad.yaml", text), exits=1)


def test_a_file_that_is_not_there_or_not_text_is_said(shell):
    assert "There is no file" in shell("program", "apply", "missing.yaml", exits=1)
    (shell.folder / "latin.yaml").write_bytes(b"merchant: {name: Caf\xe9}")
    assert "line 1: not UTF-8" in shell("program", "apply", str(shell.folder / "latin.yaml"), exits=1)


def test_a_key_is_printed_and_nothing_else(shell):
    key = shell(
        "issue_key", "corner", "--name", "till 1", "--scopes", "purchases:write,customers:read", "--test"
    )
    assert key.startswith("lk_test_")
    assert key.count("\n") == 1
    assert "There is no scope 'buy'" in shell("issue_key", "corner", "--scopes", "buy", exits=1)
    assert "Known: corner" in shell("issue_key", "corne", exits=1)


def test_purchases_are_imported_once_and_the_books_add_up(shell):
    rows = "".join(
        f"c{n % 7}@example.com,sale-{n},2026-0{n % 9 + 1}-01T10:00:00Z,{n * 10}\n" for n in range(300)
    )
    file = shell.write("sales.csv", "customer,reference,occurred_at,amount_minor\n" + rows)
    assert "300 recorded" in shell("import_purchases", "corner", file, "--enroll", "--backdate")
    assert "300 known already" in shell("import_purchases", "corner", file, "--enroll", "--backdate")
    assert not (shell.folder / "sales.errors.csv").exists()
    counts = json.loads(shell("drain", "--json"))
    assert {"inbox", "touchpoints", "expiry", "tiers"} <= set(counts)
    assert shell("drain", "--merchant", "corner") == "Nothing was due.\n"
    assert shell("verify_ledger", "--merchant", "corner") == "The books add up for Corner.\n"


def test_several_processes_share_a_file_and_refuse_each_line_once(shell):
    rows = "".join(f"p{n % 9}@example.com,many-{n},2026-01-01T10:00:00Z,{n * 10}\n" for n in range(300))
    broken = "p1@example.com,many-x,2026-01-01,5.00\n"
    file = shell.write("many.csv", f"{COLUMNS}\n{rows}{broken},many-y,2026-01-01,500\n")

    said = shell("import_purchases", "corner", file, "--enroll", "--backdate", "--jobs", "2", exits=1)

    assert "302 lines: 300 recorded" in said
    assert "2 refused" in said
    assert "9 customers enrolled" in said
    refused = (shell.folder / "many.errors.csv").read_text().splitlines()
    assert {line.split(",")[1] for line in refused[1:]} == {"bad_amount", "no_customer"}
    assert len(refused) == 3
    assert "300 known already" in shell(
        "import_purchases", "corner", file, "--enroll", "--jobs", "3", exits=1
    )
    assert shell("verify_ledger", "--merchant", "corner") == "The books add up for Corner.\n"


def test_refused_lines_are_reported_and_can_be_corrected(shell):
    bad = f"{COLUMNS}\na@example.com,x1,2026-01-01,5.00\na@example.com,x2,2026-01-01,500\n"
    said = shell("import_purchases", "corner", shell.write("half.csv", bad), "--enroll", exits=1)
    assert "1 recorded" in said
    assert "1 refused" in said
    report = shell.folder / "half.errors.csv"
    assert report.read_text().splitlines()[1].startswith("2,bad_amount,")
    report.write_text(
        report.read_text().replace("a@example.com,x1,2026-01-01,5.00", "a@example.com,x1,2026-01-01,500")
    )
    assert "1 recorded" in shell("import_purchases", "corner", str(report))


def test_wrong_columns_and_wrong_names_are_said_before_anything_is_read(shell):
    file = shell.write("columns.csv", "customer,amount\n")
    assert "Missing columns: 'reference'" in shell("import_purchases", "corner", file, exits=1)
    assert "There is no merchant 'x'" in shell("import_purchases", "x", file, exits=1)
    assert "There is no file" in shell("import_purchases", "corner", "missing.csv", exits=1)


def test_time_is_rehearsed_in_sandboxes_only(shell):
    shell(
        "program",
        "apply",
        shell.write("live.yaml", PROGRAM.replace("corner", "live").replace("test: true", "test: false")),
    )
    assert "is live: --at works on sandboxes" in shell(
        "drain", "--merchant", "live", "--at", "2030-01-01T00:00:00Z", exits=1
    )
    assert "not a time with its offset" in shell("drain", "--at", "2030-01-01", exits=1)
    file = shell.write(
        "one.csv", "customer,reference,occurred_at,amount_minor\nz@example.com,z1,2026-10-01,900\n"
    )
    shell("import_purchases", "corner", file, "--enroll")
    assert (
        json.loads(shell("drain", "--merchant", "corner", "--at", "2030-01-01T00:00:00Z", "--json"))["expiry"]
        > 0
    )
    shell("verify_ledger")


def test_the_books_say_when_somebody_wrote_in_them(shell):
    import sqlite3

    with sqlite3.connect(shell.folder / "var" / "loyalty.sqlite3") as database:
        database.execute(f"UPDATE loyalty_account SET active = active + 5 {FIRST}")
    said = shell("verify_ledger", exits=1)
    assert "differences" in said
    with sqlite3.connect(shell.folder / "var" / "loyalty.sqlite3") as database:
        database.execute(f"UPDATE loyalty_account SET active = active - 5 {FIRST}")
    shell("verify_ledger")


def test_an_import_that_is_killed_goes_on_where_it_was(shell):
    rows = "".join(f"k{n % 50}@example.com,kill-{n},2026-05-01T10:00:00Z,100\n" for n in range(30_000))
    file = shell.write("killed.csv", "customer,reference,occurred_at,amount_minor\n" + rows)
    process = shell.start("import_purchases", "corner", file, "--enroll")
    process.stderr.readline()  # the first tenth is told
    process.kill()
    process.communicate()
    said = shell("import_purchases", "corner", file, "--enroll")
    recorded, known = (int(part.split()[0].replace(",", "")) for part in said.split(": ")[1].split(", ")[:2])
    assert (recorded + known, known > 0) == (30_000, True)
    assert shell("verify_ledger", "--merchant", "corner") == "The books add up for Corner.\n"


@pytest.mark.slow
def test_the_demo_is_made_gone_on_with_and_served(shell):
    first = shell("demo", "--no-serve", "--households", "20")
    assert "21 customers" in first
    password, key = (
        json.loads((shell.folder / "var" / "demo.json").read_text())[name] for name in ("password", "key")
    )
    assert password in first
    assert key in first
    assert (shell.folder / "var" / "demo.json").stat().st_mode & 0o777 == 0o600
    again = shell("demo", "--no-serve")
    assert "(0 new" in again
    assert password in again
    assert key in again
    shell("verify_ledger")


@pytest.mark.slow
def test_what_the_demo_prints_works(shell, free_port):
    shell("demo", "--no-serve", "--households", "20")
    process = shell.start("demo", "--port", str(free_port))
    try:
        lines = []
        while not lines or "demo.json" not in lines[-1]:
            line = process.stdout.readline()
            assert line, process.stderr.read()[-3000:]
            lines.append(line)
        text = "".join(lines)
        command = text[text.index("curl -X POST") : text.index("These logins")]
        bought = subprocess.run(
            ["bash", "-c", command], check=False, capture_output=True, text=True, timeout=30
        )
        answer = json.loads(bought.stdout)
        assert answer["points"]["earned"] >= 12, bought.stdout
        portal = urllib.request.urlopen(f"http://localhost:{free_port}/millers", timeout=30)
        assert portal.status == 200
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def free_port():
    import socket

    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return line.getsockname()[1]
