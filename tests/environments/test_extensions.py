"""Which files of a layer are extensions, and what they are told."""

from pathlib import Path

from bulb.environments import failures
from bulb.environments.extensions import external
from bulb.runtimes.variables import extension_variables


def test_files_directly_in_the_folder_are_extensions(tmp_path: Path) -> None:
    folder = tmp_path / "extensions"
    (folder / "library").mkdir(parents=True)
    (folder / "library" / "helper").touch()
    (folder / "zeta").touch()
    (folder / "alpha.sh").touch()
    assert external(tmp_path) == ("alpha.sh", "zeta")


def test_no_layers_and_no_folder_are_no_extensions(tmp_path: Path) -> None:
    assert external(None) == ()
    assert external(tmp_path) == ()


def test_what_is_only_the_runtimes_is_not_told_but_what_the_customer_set_is() -> None:
    told = {"_HANDLER": "a.b", "AWS_REGION": "r", "PYTHONPATH": "/mine", "NODE_PATH": "ours", "COLOUR": "blue"}
    assert extension_variables(told, {"PYTHONPATH": "/mine", "COLOUR": "blue"}) == {
        "AWS_REGION": "r",
        "PYTHONPATH": "/mine",
        "COLOUR": "blue",
    }


def test_how_an_extension_ended_is_said() -> None:
    assert [failures.ending(0, None), failures.ending(7, None), failures.ending(None, 9)] == [
        "exit code 0",
        "exit status 7",
        "signal: killed",
    ]
