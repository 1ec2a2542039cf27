"""A server that is killed: it creates and updates functions as fast as it can and prints what was answered."""

import sys
from itertools import count
from pathlib import Path

from tests.services.lambda_.room import open_room


def main(folder: Path) -> None:
    with open_room(folder) as room:
        aws = room.client()
        for number in count():
            name = f"f{number}"
            room.create(name)
            print(f"{name} 3", flush=True)
            aws.update_function_configuration(FunctionName=name, Timeout=7)
            print(f"{name} 7", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
