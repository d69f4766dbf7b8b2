"""A small center: a function fits a page, a file is read in one sitting. Past that, split by noun."""

import ast

from tests.house.tree import files, shown

FUNCTION_LINES = 60
FILE_LINES = 450


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{shown(path)}: {node.name}", node.end_lineno - node.lineno + 1


def test_a_function_fits_a_page():
    lengths = dict(found for path in files(".py") for found in functions(path))

    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_a_file_is_read_in_one_sitting():
    lengths = {shown(path): len(path.read_text().splitlines()) for path in files(".py")}

    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}
