"""Several programs in one terminal: started together, named in front of every line, stopped together."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

STOP_SECONDS = 15.0
RESTARTS_A_MINUTE = 5
_COLORS = ("36", "32", "35", "33", "34")


@dataclass
class Program:
    """One program to keep running. `stop_last` names those that the others need until they are gone."""

    name: str
    command: Sequence[str]
    stop_last: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: list[float] = field(default_factory=list)


class Terminal:
    """
    Keep programs running in this terminal until Ctrl-C, TERM, or until one fails again and again.

    Each program leads a process group of its own, so that Ctrl-C reaches this process alone, which then
    stops the others in order. On Linux the kernel ends them also when this process is killed.
    """

    def __init__(self, *, environment: Mapping[str, str], output: IO[str] | None = None):
        self.environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self.output = output or sys.stdout
        self.programs: list[Program] = []
        self._stopping = threading.Event()
        self._writing = threading.Lock()

    def start(self, name: str, command: Sequence[str], *, stop_last: bool = False) -> None:
        """Start the program and copy what it says to the terminal."""
        program = Program(name, command, stop_last)
        self.programs.append(program)
        self._run(program)

    def say(self, name: str, line: str) -> None:
        """Print one line with the program's name in front."""
        color = _COLORS[hash_of(name) % len(_COLORS)]
        shown = f"{name:<7}|"
        if self.output.isatty():
            shown = f"\033[{color}m{shown}\033[0m"
        with self._writing:
            self.output.write(f"{shown} {line}\n")
            self.output.flush()

    def keep(self) -> int:
        """Watch the programs; start again what ends by itself. Return the exit code for this process."""
        try:
            while not self._stopping.wait(0.3):
                for program in self.programs:
                    if (
                        program.process is not None
                        and program.process.poll() is not None
                        and not self._again(program)
                    ):
                        return 1
            return 0
        finally:
            self.stop()

    def listen(self) -> None:
        """Let Ctrl-C and TERM end `keep`."""

        def ask_to_stop(number: int, frame: FrameType | None) -> None:
            self._stopping.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, ask_to_stop)

    def stop(self) -> None:
        """Stop every program and its children: politely, then by force. Repeating does nothing."""
        self._stopping.set()
        for last in (False, True):
            group = [program for program in self.programs if program.stop_last is last]
            for program in group:
                _signal_group(program, signal.SIGTERM)
            until = time.monotonic() + STOP_SECONDS
            for program in group:
                _wait(program, until=until)
                _signal_group(program, signal.SIGKILL)
                _wait(program, until=time.monotonic() + 2)

    def _again(self, program: Program) -> bool:
        assert program.process is not None
        code = program.process.returncode
        now = time.monotonic()
        program.started = [start for start in program.started if start > now - 60]
        if len(program.started) >= RESTARTS_A_MINUTE:
            self.say(program.name, f"ended with {code} again and again: stopping everything")
            return False
        self.say(program.name, f"ended with {code}: starting it again")
        _signal_group(program, signal.SIGKILL)
        self._run(program)
        return True

    def _run(self, program: Program) -> None:
        program.started.append(time.monotonic())
        program.process = subprocess.Popen(
            program.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  (one system call, bound before the fork)
        )
        threading.Thread(target=self._copy, args=(program.name, program.process.stdout), daemon=True).start()

    def _copy(self, name: str, lines: IO[bytes]) -> None:
        for line in lines:
            self.say(name, line.decode(errors="replace").rstrip())


def hash_of(name: str) -> int:
    """Return the same small number for the same name in every run (Python's own hash differs)."""
    return sum(name.encode())


def _signal_group(program: Program, number: signal.Signals) -> None:
    # The group outlives its leader while a child of it runs: signal it even when the leader is gone.
    if program.process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(program.process.pid, number)


def _wait(program: Program, *, until: float) -> None:
    if program.process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.process.wait(max(0.0, until - time.monotonic()))


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it becomes the program: Linux then ends it when this process dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGTERM)
