"""Servers that come and go at the same moment, and the groups of what is to die."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bulb.sandbox import cgroups, group_v1, group_v2
from bulb.sandbox.cgroups import Cgroups, server_name
from bulb.sandbox.full import FullCell
from bulb.sandbox.group_v1 import CONTROLLERS, GroupV1
from bulb.sandbox.group_v2 import GroupV2
from bulb.sandbox.model import Limits
from bulb.sandbox.sandbox import Sandbox


def test_a_server_can_start_while_the_last_of_the_others_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that looks like the machine's hierarchies, where nobody else keeps the top in its place."""
    for kind in CONTROLLERS:
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "cgroup.procs").touch()
    monkeypatch.setattr(cgroups, "_ROOT", tmp_path)
    refused: list[OSError] = []

    def come_and_go() -> None:
        for _ in range(50):
            try:
                mine = Cgroups.open(server_name(os.getpid()))
            except OSError as error:
                refused.append(error)
                return
            if not all(Path(directory).is_dir() for directory in mine.directories):
                refused.append(FileNotFoundError(*mine.directories))
            mine.close()

    servers = [threading.Thread(target=come_and_go) for _ in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join(60)
    assert not refused
    assert not [entry for kind in CONTROLLERS for entry in (tmp_path / kind).iterdir() if entry.is_dir()]


def test_a_process_of_a_foreign_namespace_is_not_taken_for_our_own_group(tmp_path: Path) -> None:
    """cgroup v2 shows it as 0, which kill(2) understands as the caller's process group."""
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / "cgroup.procs").write_text("0\n")
    sweep = f"from bulb.sandbox import cgroups; cgroups.clear([{str(tmp_path)!r}], patience_s=0.2)"
    swept = subprocess.run([sys.executable, "-c", sweep], start_new_session=True, timeout=60, check=False)
    assert swept.returncode == 0


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (1, ["cpu.cfs_quota_us 7235", "cpu.cfs_quota_us -1", "killed", "freezer.state THAWED"]),
        (2, ["cpu.max 7235 100000", "cpu.max max 100000", "killed", "cgroup.freeze 0"]),
    ],
)
def test_what_is_killed_may_use_all_the_cpu_it_needs_to_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, expected: list[str]
) -> None:
    """At the share of 128 MB seven hundred processes take seven seconds."""
    done: list[str] = []
    for module in (group_v1, group_v2):
        monkeypatch.setattr(module, "write_text", lambda path, text: done.append(f"{Path(path).name} {text}"))
    parents = {kind: str(tmp_path / kind) for kind in (*CONTROLLERS, "unified")}
    for parent in parents.values():
        Path(parent).mkdir()
    nothing: Any = None
    cell = FullCell(nothing, "name", Limits(memory_mb=128, tmp_mb=512), None, lambda: None, uid=1)
    cell._group = GroupV1(parents, "name") if version == 1 else GroupV2(parents, "name")
    image: Any = None
    sandbox = Sandbox("name", image, nothing, nothing, supervised=True)
    parent: Any = SimpleNamespace(signal=lambda name, number: done.append("killed"))
    sandbox.cell, sandbox._parent = cell, parent
    cell.end_init()
    sandbox.kill_now()
    assert done == expected


@pytest.mark.parametrize(("name", "free"), [("cpu.cfs_quota_us", "-1"), ("cpu.max", "max")])
def test_nor_is_what_a_dead_server_left_kept_from_dying(tmp_path: Path, name: str, free: str) -> None:
    (tmp_path / "group").mkdir()
    (tmp_path / "group" / name).touch()
    cgroups.clear([str(tmp_path)], patience_s=0.01)
    assert (tmp_path / "group" / name).read_text() == free
