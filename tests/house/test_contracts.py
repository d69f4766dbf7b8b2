"""Who may import whom: the contracts hold, and no room is outside of them."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.house.tree import ROOT

CONFIGURED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
OUTSIDE = {"tests", "bench", "tools", "docs", "templates", "static", "locale"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [program, "--no-logo", "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_rooms_import_only_what_they_may():
    said = lint(ROOT)

    assert said.returncode == 0, said.stdout


def test_every_room_is_under_contract():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - OUTSIDE
    layers = next(contract["layers"] for contract in CONFIGURED["contracts"] if contract["id"] == "rooms")

    assert set(CONFIGURED["root_packages"]) == rooms
    assert {room for layer in layers for room in layer.split(" | ")} == rooms


def test_every_contract_says_what_to_do_instead():
    assert [
        contract["id"] for contract in CONFIGURED["contracts"] if not contract.get("broken_contract_guidance")
    ] == []
