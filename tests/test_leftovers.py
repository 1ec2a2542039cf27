import subprocess
import sys
from pathlib import Path

from tests.support import leftovers


def sleeper(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments], **options)  # type: ignore[call-overload, no-any-return]


def remains(mark: str, folder: Path) -> list[str]:
    return leftovers.left(leftovers.before(), mark, folder, 0)


def test_a_process_is_told_by_its_mark_its_folder_or_its_arguments(tmp_path: Path) -> None:
    for options in ({"env": {leftovers.MARK: "this"}}, {"cwd": tmp_path}, {"args": f"{tmp_path}/x"}):
        arguments = [str(options.pop("args"))] if "args" in options else []
        process = sleeper(*arguments, **options)
        try:
            assert any(line.startswith(f"process {process.pid}:") for line in remains("this", tmp_path))
        finally:
            process.kill()
            process.wait()
        assert remains("this", tmp_path) == []


def test_the_processes_of_another_run_are_not_counted(tmp_path: Path) -> None:
    mine, other = tmp_path / "1", tmp_path / "10"
    mine.mkdir()
    other.mkdir()
    process = sleeper(cwd=other, env={leftovers.MARK: "other"})
    try:
        assert remains("my own", mine) == []
    finally:
        process.kill()
        process.wait()
