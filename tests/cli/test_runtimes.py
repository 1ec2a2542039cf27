import json
import re
import sys
from pathlib import Path

from tests.cli.command import bulb


def test_every_runtime_is_there_with_its_interpreter_or_the_way_to_get_it(tmp_path: Path) -> None:
    done = bulb("runtimes", "--json", BULB_DATA=str(tmp_path), BULB_INTERPRETER_PYTHON3_14=sys.executable)
    assert done.returncode == 0, done.stderr
    listed = {each["runtime"]: each for each in json.loads(done.stdout)}
    assert listed["python3.14"]["executable"] == str(Path(sys.executable).resolve())
    ruby = listed["ruby3.4"]
    assert (ruby["runs"], ruby["reason"]) == (False, "Bulb does not run ruby3.4 yet.")
    assert all(each["runs"] or each["how"] for each in listed.values())
    assert "python3.8" not in listed
    families = [re.split(r"[0-9.]", name)[0] for name in listed]
    assert families == sorted(families, key=families.index), "a family after the other"


def test_the_table_says_how_to_get_what_is_missing() -> None:
    done = bulb("runtimes", BULB_INTERPRETER_NODEJS24_X="/nowhere/node")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("nodejs24.x"))
    assert line.split(maxsplit=2)[1:] == [
        "no",
        "/nowhere/node, configured for nodejs24.x, is not a nodejs interpreter Bulb can run. "
        "Correct the path or remove the setting.",
    ]
