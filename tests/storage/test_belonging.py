from pathlib import Path

import pytest

from bulb.storage.belonging import belong
from bulb.storage.errors import DatabaseRefusedError

URL = "postgresql+psycopg://someone:secret@db.example/bulb"


def test_a_folder_goes_with_the_database_it_was_first_used_with(tmp_path: Path) -> None:
    belong(tmp_path, URL)
    belong(tmp_path, "postgresql+psycopg://other:changed@db.example/bulb")
    for other in (None, "postgresql+psycopg://someone:secret@db.example/another"):
        with pytest.raises(
            DatabaseRefusedError, match=r"belongs to the database postgresql\+psycopg://db\.example/bulb"
        ):
            belong(tmp_path, other)
    assert "secret" not in (tmp_path / "database").read_text()


def test_a_folder_used_without_one_is_not_used_with_one(tmp_path: Path) -> None:
    belong(tmp_path, None)
    belong(tmp_path, None)
    with pytest.raises(DatabaseRefusedError, match="belongs to the database sqlite"):
        belong(tmp_path, URL)


def test_what_is_no_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefusedError, match="not a database URL"):
        belong(tmp_path, "://nowhere")
