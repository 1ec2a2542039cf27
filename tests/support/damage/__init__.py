"""Ways to spoil a request that was right. Each takes the message and chances, and returns another message.

Those in `KEEPS_TARGET` leave alone what says which operation is asked for, so the refusal must be in its service's
own shape. Those in `LOSES_TARGET` may turn the request into any other. Those in `BREAKS_HTTP` may be answered in plain
text, or not at all: there is no request to answer.
"""

import random
from collections.abc import Callable

from tests.support.damage.bodies import (
    changed_byte,
    cut_body,
    other_body,
    spoilt_parameters,
    wrong_document,
)
from tests.support.damage.heads import (
    broken_off,
    chunked_garbage,
    huge_header,
    impossible_head,
    presigned_garbage,
    repeated_header,
    strange_header,
    strange_path,
    strange_query,
    unknown_operation,
    wrong_authorization,
    wrong_content_type,
    wrong_method,
)
from tests.support.rawhttp import Message

Damage = Callable[[Message, random.Random], Message]

KEEPS_TARGET: tuple[Damage, ...] = (
    wrong_document,
    wrong_document,
    wrong_document,
    other_body,
    cut_body,
    changed_byte,
    strange_header,
    strange_header,
    huge_header,
)
LOSES_TARGET: tuple[Damage, ...] = (
    strange_path,
    strange_path,
    strange_query,
    repeated_header,
    wrong_content_type,
    wrong_authorization,
    presigned_garbage,
    wrong_method,
    unknown_operation,
)
BREAKS_HTTP: tuple[Damage, ...] = (broken_off, chunked_garbage, impossible_head)

__all__ = ["BREAKS_HTTP", "KEEPS_TARGET", "LOSES_TARGET", "Damage", "spoilt_parameters"]
