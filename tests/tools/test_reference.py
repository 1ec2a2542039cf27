"""The generated pages say what the code says."""

import re
from dataclasses import fields
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.session import Session
from tools.reference import DOCS, WHY, pages, why

from bulb.cli import up
from bulb.config import Config

_NOT_ON_THE_COMMAND_LINE = {"interpreters", "surroundings"}


def test_the_generated_pages_are_current() -> None:
    stale = [name for name, text in pages().items() if (DOCS / name).read_text() != text]
    assert stale == [], "run python -m tools.reference"


def test_every_setting_is_an_option() -> None:
    settings = {field.name for field in fields(Config)} - _NOT_ON_THE_COMMAND_LINE
    assert {option.name for option in up.command.params} == settings


def test_the_defaults_that_are_told_are_the_defaults() -> None:
    plain = {
        "host",
        "port",
        "egress",
        "isolation",
        "credentials",
        "region",
        "stock",
        "idle",
        "freeze_after",
        "capacity",
        "account_concurrency",
        "request_rate",
        "scaling_rate",
        "stream_bandwidth",
    }
    told = {option.name: str(getattr(option, "help", "")) for option in up.command.params}
    for name in plain:
        default = getattr(Config(), name)
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert told[name].endswith(f"[default: {shown}]"), name


@cache
def _lambda_operations() -> tuple[set[str], set[str]]:
    """Those the page says work, and all others of the model."""
    section = (DOCS / "coverage.md").read_text().partition("## lambda: ")[2].partition("\n## ")[0]
    here = set(re.findall(r"`(\w+)`", section.partition("Not supported")[0]))
    return here, set(Session().get_service_model("lambda").operation_names) - here


def test_each_operation_of_lambda_that_is_missing_has_a_reason() -> None:
    here, missing = _lambda_operations()
    assert [name for name in missing if why(name) is None] == []
    assert [name for name in here if why(name) is not None] == []
    assert [part for part in WHY if not any(part in name for name in missing)] == []


def test_each_operation_of_lambda_that_is_here_is_called_by_a_test() -> None:
    tests = "\n".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    here, _ = _lambda_operations()
    called = {name for name in here if re.search(rf"\b{xform_name(name)}\b", tests)}
    # A page or a waiter calls an operation by another name.
    called |= {name for name in here if f'get_paginator("{xform_name(name)}")' in tests}
    assert sorted(here - called) == []
