"""The project's own files, as the tests of the house see them."""

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {".git", ".venv", "node_modules", "var", "__pycache__", "migrations", "staticfiles", "vendor"}


def files(*suffixes: str) -> Iterator[Path]:
    """Yield the project's files with one of the suffixes, none that tools or other people wrote."""
    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(name for name in below if name not in ELSEWHERE and not name.endswith("_cache"))
        for name in sorted(names):
            if name.endswith(suffixes):
                yield Path(folder, name)


def shown(path: Path) -> str:
    """Return the path as a person of the project says it."""
    return str(path.relative_to(ROOT))
