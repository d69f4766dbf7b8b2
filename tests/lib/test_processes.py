"""Programs in one terminal: named, restarted, and all gone at the end, with their children."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lib.processes import Terminal

CHILD_OF_CHILD = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    "print('child', child.pid, flush=True); time.sleep(60)"
)


@pytest.fixture
def terminal():
    made = Terminal(environment=os.environ, output=io.StringIO())
    yield made
    made.stop()


def python(code):
    return [sys.executable, "-c", code]


def wait_for(condition, *, seconds=10):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def said(terminal):
    return terminal.output.getvalue()


def lives(pid):
    """Tell whether the process runs; one that ended and was not yet collected does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_line_says_who_said_it(terminal):
    terminal.start("worker", python("print('ready', flush=True); import time; time.sleep(60)"))

    wait_for(lambda: "worker | ready" in said(terminal))


def test_children_of_a_program_end_with_it(terminal):
    terminal.start("web", python(CHILD_OF_CHILD))
    wait_for(lambda: "child" in said(terminal))
    child = int(said(terminal).split("child ")[1].split()[0])
    assert lives(child)

    terminal.stop()

    wait_for(lambda: not lives(child))


def test_a_program_that_was_killed_is_started_again(terminal):
    terminal.start("worker", python("import time; print('up', flush=True); time.sleep(60)"))
    wait_for(lambda: said(terminal).count("up") == 1)
    watching = threading.Thread(target=terminal.keep)
    watching.start()

    os.kill(terminal.programs[0].process.pid, signal.SIGKILL)

    wait_for(lambda: said(terminal).count("| up") == 2)
    terminal.stop()
    watching.join()


def test_a_program_that_fails_again_and_again_ends_everything(terminal):
    terminal.start("web", python("import time; time.sleep(60)"))
    terminal.start("worker", python("raise SystemExit(3)"))

    assert terminal.keep() == 1

    assert "ended with 3 again and again" in said(terminal)
    assert terminal.programs[0].process.poll() is not None


def test_what_others_need_is_stopped_last(terminal, tmp_path):
    order = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        f"def end(*_):\n    open({str(order)!r}, 'a').write(sys.argv[1]); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\nprint('set', flush=True)\ntime.sleep(60)"
    )
    terminal.start("valkey", [*python(code), "broker "], stop_last=True)
    terminal.start("worker", [*python(code), "worker "])
    wait_for(lambda: said(terminal).count("set") == 2)

    terminal.stop()

    assert order.read_text() == "worker broker "


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_terminal_leaves_no_program_behind():
    code = (
        "import os, sys; from lib.processes import Terminal; "
        "t = Terminal(environment=os.environ); "
        "t.start('web', [sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(t.programs[0].process.pid, flush=True); t.keep()"
    )
    parent = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert lives(pid)

    parent.kill()
    parent.wait()

    wait_for(lambda: not lives(pid))
