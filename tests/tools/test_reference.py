"""The generated pages say what the code says."""

from dataclasses import fields

from tools.reference import DOCS, pages

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
