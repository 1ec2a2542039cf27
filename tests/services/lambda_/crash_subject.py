"""A server that is killed: it makes functions, versions, aliases and policies as fast as it can and prints what was
answered, as the name of the function and how many steps it has taken.
"""

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from tests.services.lambda_.room import Room, open_room

STEPS: list[Callable[[Room, Any, str], Any]] = [
    lambda room, aws, name: room.create(name),
    lambda room, aws, name: aws.update_function_configuration(FunctionName=name, Timeout=7),
    lambda room, aws, name: room.settle(name) and aws.publish_version(FunctionName=name),
    lambda room, aws, name: aws.create_alias(FunctionName=name, Name="live", FunctionVersion="1"),
    lambda room, aws, name: aws.add_permission(
        FunctionName=name, Qualifier="live", StatementId="s", Action="lambda:InvokeFunction", Principal="*"
    ),
]


def main(folder: Path) -> None:
    with open_room(folder) as room:
        aws = room.client()
        for number in count():
            for taken, step in enumerate(STEPS, 1):
                step(room, aws, f"f{number}")
                print(f"f{number} {taken}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
