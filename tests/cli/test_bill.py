"""The table of `bulb bill`."""

import pytest

from bulb.billing.ledger import document
from bulb.billing.statements import Usage, statement
from bulb.cli.bill import print_statement

GB_HOUR = 1024 * 3_600_000


def printed(usage: Usage, capsys: pytest.CaptureFixture[str]) -> list[str]:
    print_statement(document(statement("2026-11", [usage])))
    return capsys.readouterr().out.splitlines()


def test_what_is_neither_requests_nor_duration_is_told_when_there_is_any(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Usage("0" * 12, "us-east-1", "plain", "x86_64", 1, 1, 1024, 0)
    assert [line.split("  ")[0] for line in printed(plain, capsys)] == ["function", "plain", "total"]
    rich = Usage(
        "0" * 12, "us-east-1", "rich", "x86_64", 0, 0, 0, 0, streamed_bytes=1024**3, snapshot_mb_ms=3 * GB_HOUR
    )
    lines = printed(rich, capsys)
    assert [line.split("  ")[0] for line in lines] == [
        "function",
        "rich",
        "of it streaming",
        "of it SnapStart",
        "total",
    ]
    assert [line.split()[-1] for line in lines[2:]] == ["0.0080000000", "0.0162496800", "0.0242496800"]
    assert len(set(map(len, lines))) == 1
