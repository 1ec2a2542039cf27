"""JSON paths as targets' inputs have them: a small part of JSONPath. Pure.

`$`, `.name`, `['name']`, `[0]`, and `*` in place of a name or an index. A path with a `*` finds a list of all that is
there; any other finds one value or nothing. Source: EventBridge's page of input transformation.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

_STEP = re.compile(
    r"\.(?P<name>[\w/\-]+)|\.(?P<all>\*)|\[(?P<index>\d{1,9})\]|\[(?P<every>\*)\]|\['(?P<quoted>[^']+)'\]"
)


class _Every:
    """The step `*`."""


_EVERY: Final = _Every()


class _Missing:
    """What a path finds that leads nowhere."""


MISSING: Final = _Missing()
_Step = str | int | _Every


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path."""

    steps: tuple[_Step, ...]

    def find(self, document: Any) -> Any:
        """What is there; `MISSING` for nothing."""
        found = [document]
        for step in self.steps:
            found = [value for one in found for value in _after(one, step)]
        if _EVERY in self.steps:
            return found or MISSING
        return found[0] if found else MISSING


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The path of a text. Raises ValueError for what is none."""
    if not text.startswith("$"):
        raise ValueError(text)
    steps: list[_Step] = []
    position = 1
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(text)
        position = match.end()
        if match["all"] or match["every"]:
            steps.append(_EVERY)
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or match["quoted"])
    return Path(tuple(steps))


def _after(value: Any, step: _Step) -> list[Any]:
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if not isinstance(step, int):
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    return [value[step]] if isinstance(value, list) and step < len(value) else []
