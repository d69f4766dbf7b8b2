"""Every requirement has an exact version, a reason, and a locked hash."""

import re
from itertools import pairwise

import pytest

from tests.house.tree import ROOT

FILES = ["requirements.txt", "requirements-dev.txt"]
PINNED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[a-z,-]+\])?==(?P<version>[0-9][0-9A-Za-z.]*)")


def lines(name):
    return (ROOT / name).read_text().splitlines()


def requirements(name):
    return [line for line in lines(name) if line and not line.startswith(("#", "-r"))]


@pytest.mark.parametrize("name", FILES)
def test_each_requirement_is_pinned(name):
    assert [line for line in requirements(name) if not PINNED.fullmatch(line)] == []


@pytest.mark.parametrize("name", FILES)
def test_each_requirement_has_its_reason_above_it(name):
    said = lines(name)
    bare = [line for above, line in pairwise(said) if PINNED.match(line) and not above.startswith("# ")]

    assert bare == []


@pytest.mark.parametrize("name", FILES)
def test_the_lock_is_of_this_file(name):
    locked = {line.split(" ")[0].lower() for line in lines(name.replace(".txt", ".lock")) if "==" in line}
    wanted = {re.sub(r"\[.*\]", "", line).lower().replace("_", "-") for line in requirements(name)}

    assert wanted - locked == set(), "run `make lock`"


@pytest.mark.parametrize("name", FILES)
def test_every_locked_version_has_hashes(name):
    text = (ROOT / name.replace(".txt", ".lock")).read_text()

    assert [line for line in re.findall(r"^\S+==.*$", text, re.MULTILINE) if not line.endswith("\\")] == []
