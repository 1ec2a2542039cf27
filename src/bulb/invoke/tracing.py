"""X-Ray trace headers of invocations, and who decides whether a request is traced.

`Root=1-<8 hex>-<24 hex>;Parent=<16 hex>;Sampled=0|1`. A decision that came with the request stands. Without one, a
function with active tracing has the first request of each second and one in twenty of the others traced; other
functions none. Nobody here collects segments: the decision is what the function, its log lines and whom it calls see.
"""

import random
from collections.abc import Callable

from bulb.core.facts import FunctionRef
from bulb.core.ids import hex_id, trace_id
from bulb.environments.model import FunctionSpec

SHARE = 0.05
MAX_FUNCTIONS = 10_000


class Traces:
    """Writes trace headers. `chance` gives numbers from 0.0 up to 1.0."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._last_second: dict[FunctionRef, int] = {}

    def header(self, spec: FunctionSpec, incoming: str | None, now: float) -> str:
        """The header of an invocation of `spec`, at Unix time `now`, that came with `incoming`."""
        if not spec.active_tracing:
            return incoming or f"Root={trace_id(now)};Parent={hex_id(16)};Sampled=0"
        if incoming and "Sampled=" in incoming:
            return incoming
        identity = incoming or f"Root={trace_id(now)};Parent={hex_id(16)}"
        return f"{identity};Sampled={int(self._is_sampled(spec.ref, int(now)))}"

    def _is_sampled(self, ref: FunctionRef, second: int) -> bool:
        if self._last_second.get(ref) == second:
            return self._chance() < SHARE
        if len(self._last_second) >= MAX_FUNCTIONS:
            self._last_second.clear()
        self._last_second[ref] = second
        return True
