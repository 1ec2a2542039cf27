"""Write revision 0001 as explicit operations from the metadata: `python -m bulb.storage.migrations.freeze`.

For use before the first release only, while no database has to be migrated yet; afterwards revisions never change.
"""

from sqlalchemy import create_engine

from bulb.storage.migrations import runner
from bulb.storage.migrations.revise import differences, render

PATH = runner.FOLDER / "versions" / "r0001_first.py"


def main() -> None:
    """Rewrite revision 0001."""
    with create_engine("sqlite://").connect() as empty:
        PATH.write_text(render("The first schema", "0001", None, differences(empty)))
    print(PATH)


if __name__ == "__main__":
    main()
