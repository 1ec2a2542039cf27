"""What is left of a template that could not be made."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bulb.core.clock import SystemClock
from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.environments.snapshots import Snapshots

REF = FunctionRef("000000000000", "us-east-1", "f", "1")
SPEC = FunctionSpec(REF, "r", "python3.12", "m.h", "role", Path("/"), 128, 512, 3, "x86_64", "/aws/lambda/f")


def test_a_template_that_cannot_be_told_its_function_is_ended() -> None:
    closed: list[str] = []

    async def given(value: Any) -> Any:
        return value

    async def connect(*_: object) -> None:
        raise OSError(24, "Too many open files")

    async def story() -> None:
        sandbox = SimpleNamespace(close=lambda: given(closed.append("sandbox")))
        template = SimpleNamespace(sandbox=sandbox, alive=True, close=lambda: given(closed.append("template")))
        sandboxes: Any = SimpleNamespace(makes_templates=True, start_template=lambda *_: given(template))
        materials: Any = SimpleNamespace(image=given, code=given)
        starter: Any = SimpleNamespace(connect=connect)
        logs: Any = SimpleNamespace(open=lambda *_: None)
        facts: Any = SimpleNamespace(emit=lambda _: None)
        snapshots = Snapshots(sandboxes, materials, starter, logs, facts, SystemClock())
        with pytest.raises(OSError, match="Too many"):
            await snapshots.make(SPEC)
        assert not template.alive

    asyncio.run(story())
    assert closed == ["sandbox", "template"]
