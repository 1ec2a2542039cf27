"""The documents point at what exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/bulb/**/DESIGN.md")], key=str)
_NAMED = re.compile(r"`((?:src|tests|docs)/[\w./*-]+)`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_named_files_exist(document: Path) -> None:
    text = document.read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    broken = [target for target in links if not (document.parent / target).exists()]
    missing = [name for name in _NAMED.findall(text) if not list(ROOT.glob(name.rstrip("/")))]
    assert broken + missing == []
