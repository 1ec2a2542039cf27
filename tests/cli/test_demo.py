"""`bulb demo`: the first thing anybody runs."""

from pathlib import Path

import pytest

from tests.cli.command import bulb
from tests.support.waiting import until


def test_the_demo_makes_three_thumbnails_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    # Settings of a server that stays are none of its business.
    elsewhere = {"BULB_DATABASE": "mysql://nowhere", "BULB_DATA": "/nowhere", "BULB_CREDENTIALS": "required"}
    ran = bulb("demo", TMPDIR=str(tmp_path), **elsewhere)
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout
    for size in ("large", "medium", "small"):
        assert f"thumbnails/first-{size}.jpg" in ran.stdout
    for part in ("START RequestId", "REPORT RequestId", "Cold: ", "Warm: ", "list price", "Nothing is left running."):
        assert part in ran.stdout
    assert list(tmp_path.iterdir()) == []
    until(lambda: not _running(tmp_path), "the end of its processes")
    assert [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line] == []


def _running(folder: Path) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
