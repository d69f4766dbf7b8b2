"""What else this machine does should not decide a result: a run goes first, where it may."""

import contextlib
import os
from pathlib import Path

NICE = -15


def go_first(process: int | None = None) -> bool:
    """
    Let a process (by default this one) and its session run before others; tell whether that was allowed.

    Linux divides the processor among sessions first, then within each: a server that leads a session of its
    own needs this too.
    """
    number = process or os.getpid()
    try:
        os.setpriority(os.PRIO_PROCESS, number, NICE)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        Path(f"/proc/{number}/autogroup").write_text(str(NICE))
    return True
