"""Which database a data folder belongs to.

The bytes of objects and packages lie in the folder, who names them is in the database: with another database every one
of them would look unused, and be swept.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bulb.storage.errors import DatabaseRefusedError

_FILE = "database"
_OWN = "sqlite"


def belong(folder: Path, url: str | None) -> None:
    """From its first use on, `folder` goes with one database: that at `url`, or the SQLite file inside (None).

    Raises DatabaseRefusedError for another. The file it writes holds no credentials.
    """
    file, name = folder / _FILE, _name(url)
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        draft = file.with_name(f".{_FILE}.new")
        draft.write_text(f"{name}\n")
        draft.replace(file)
        return
    if found != name:
        raise DatabaseRefusedError(
            f"The data folder {folder} belongs to the database {found}, not to {name}: start with that one "
            "(--database), or give this one a data folder of its own (--data). "
            f"If the database has only moved, write its new name into {file}."
        )


def _name(url: str | None) -> str:
    if url is None or "://" not in url:
        return _OWN if url is None else url
    try:
        at = make_url(url)
    except ArgumentError as error:
        raise DatabaseRefusedError(f"{url} is not a database URL.") from error
    return URL.create(
        at.drivername, host=at.host, port=at.port, database=at.database, query=at.query
    ).render_as_string()
