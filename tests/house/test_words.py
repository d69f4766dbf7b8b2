"""What no file of the project says, and what no module is called."""

import re

from tests.house.tree import files, shown

TEXTS = (".py", ".md", ".toml", ".txt", ".lock", ".html", ".yaml", ".yml", "Makefile")
# A module called by what it is, not by what it is about, collects everything.
NAMES_THAT_SAY_NOTHING = {"services", "selectors", "utils", "helpers", "managers", "handlers", "common"}
# The services that tests start are what tests/services.py is about.
ABOUT_SERVICES = {"tests/services.py"}


def saying(pattern):
    said = re.compile(pattern)
    return [
        f"{shown(path)}:{number}"
        for path in files(*TEXTS)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if said.search(line)
    ]


def test_nothing_is_left_for_later():
    assert saying(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b") == []


def test_no_package_host_is_named():
    assert saying("pypi" + r"\.org|pythonhosted" + r"\.org|npmjs" + r"\.(org|com)") == []


def test_a_module_is_called_by_what_it_is_about():
    vague = {shown(path) for path in files(".py") if path.stem in NAMES_THAT_SAY_NOTHING}

    assert vague - ABOUT_SERVICES == set()
