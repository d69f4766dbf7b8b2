"""
All periodic work, on one page.

A wake after a commit makes things happen at once; the sweeps below find whatever a wake lost, because
the broker was down or a worker was killed. Every task may run at any time and any number of times.
"""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {}
