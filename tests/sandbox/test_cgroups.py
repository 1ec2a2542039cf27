"""Servers that come and go at the same moment."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bulb.sandbox import cgroups
from bulb.sandbox.cgroups import Cgroups, server_name
from bulb.sandbox.group_v1 import CONTROLLERS


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
