"""The page that names tests names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_ROWS = re.findall(r"^\| (?!What Lambda|---)(.+) \| (.+) \|$", (ROOT / "docs/conformance.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("line", "shown_by"), _ROWS, ids=[line[:40] for line, _ in _ROWS])
def test_every_line_names_tests_that_exist(line: str, shown_by: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown_by)
    assert len(named) == shown_by.count("`") // 2 > 0
    for path, name in named:
        module = ast.parse((ROOT / path).read_text())
        assert name in {node.name for node in module.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_the_page_has_lines() -> None:
    assert len(_ROWS) >= 20
