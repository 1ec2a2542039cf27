"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def until(look: Callable[[], T], what: str, seconds: float = 60.0, every: float = 0.02) -> T:
    """What `look` finds, as soon as it is something; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(every)
    return found
