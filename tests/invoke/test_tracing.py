"""Who decides whether a request is traced."""

import re
from collections.abc import Iterator
from pathlib import Path

from bulb.core.facts import FunctionRef
from bulb.environments.model import FunctionSpec
from bulb.invoke.tracing import Traces

IDENTITY = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8"
WHOLE = re.compile(r"\ARoot=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=([01])\Z")


def spec(name: str = "f", *, active: bool = True) -> FunctionSpec:
    ref = FunctionRef("000000000000", "us-east-1", name, "$LATEST")
    folder = Path("/nowhere")
    return FunctionSpec(ref, "r", "python3.12", "h", "role", folder, 128, 512, 3, "x86_64", "g", active_tracing=active)


def traces(*chances: float) -> Traces:
    drawn: Iterator[float] = iter(chances)
    return Traces(lambda: next(drawn))


def sampled(header: str) -> bool:
    found = WHOLE.match(header)
    assert found, header
    return found[1] == "1"


def test_a_decision_that_came_stands() -> None:
    for decision in ("0", "1"):
        incoming = f"{IDENTITY};Sampled={decision};Lineage=a:1"
        for active in (True, False):
            assert traces().header(spec(active=active), incoming, 5.0) == incoming


def test_the_first_of_each_second_and_one_in_twenty() -> None:
    decide = traces(0.049, 0.05, 0.99, 0.0)
    function = spec()
    moments = [5.0, 5.1, 5.2, 5.9, 6.0, 6.5]
    assert [sampled(decide.header(function, None, now)) for now in moments] == [True, True, False, False, True, True]


def test_each_function_has_a_second_of_its_own() -> None:
    decide = traces()
    assert sampled(decide.header(spec("f"), None, 5.0))
    assert sampled(decide.header(spec("g"), None, 5.0))


def test_an_identity_without_a_decision_gets_one() -> None:
    decide = traces(0.5)
    assert decide.header(spec(), IDENTITY, 5.0) == f"{IDENTITY};Sampled=1"
    assert decide.header(spec(), IDENTITY, 5.0) == f"{IDENTITY};Sampled=0"


def test_without_active_tracing_nothing_is_decided() -> None:
    assert not sampled(traces().header(spec(active=False), None, 5.0))
    assert traces().header(spec(active=False), IDENTITY, 5.0) == IDENTITY
