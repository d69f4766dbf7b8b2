"""What the pages tell a reader to type exists and answers."""

import re
import subprocess
import sys

import pytest

from tests.house.tree import ROOT, files, shown

PAGES = list(files(".md"))
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def said(pattern):
    return sorted({(name, shown(page)) for page in PAGES for name in re.findall(pattern, page.read_text())})


@pytest.mark.parametrize(("target", "page"), said(r"`make ([a-z]+)"))
def test_a_make_target_in_a_page_exists(target, page):
    assert target in MAKE_TARGETS


@pytest.mark.parametrize("command", sorted({name for name, page in said(r"manage\.py ([a-z_]+)")}))
def test_a_command_in_a_page_explains_itself(command):
    answer = subprocess.run(
        [sys.executable, "manage.py", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert "usage:" in answer.stdout


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_a_link_inside_the_project_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_ci_does_what_the_readme_says():
    assert (ROOT / ".ci" / "run").read_text() == "make test\n"
