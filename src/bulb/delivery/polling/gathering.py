"""Claimed messages on their way into batches. No I/O; `now` comes in by argument.

A batch goes when it is full, when another record would not fit into an invocation's payload, or when its window is
over, which begins with its first message. Of a standard queue any messages make a batch. Of a FIFO queue a batch has
the heads of one or more groups, in order; a group that is in a batch under way is in no other.

A chain of requests that has been through the function too often is cut by the invoke room. Messages of such a chain
are in batches of their own, so that no others are lost with them; they are `looping`.
"""

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from bulb.core.limits import SYNC_REQUEST_BYTES
from bulb.delivery.polling.records import ENVELOPE_BYTES
from bulb.invoke import lineage

# A claim is not waited with for longer than this share of its time.
_PATIENT_SHARE = 0.8
# Less of a claim than this is not worth starting with.
_USELESS_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A claimed message. `record` is its record's JSON; times are Unix seconds; `passes` counts its chain's visits."""

    message_id: str
    claim: Hashable
    record: bytes
    group: str | None
    claimed_at: float
    visible_at: float
    trace: str | None = None
    passes: int = 0

    @property
    def loops(self) -> bool:
        """Its chain of requests is to be cut."""
        return self.passes >= lineage.MOST_PASSES

    @property
    def visibility_s(self) -> float:
        """For how long it was claimed."""
        return self.visible_at - self.claimed_at


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes to the function together."""

    items: tuple[Item, ...]

    @property
    def trace_header(self) -> str | None:
        """The message's own where it is alone, else that of the longest chain through the function, if any."""
        if len(self.items) == 1:
            return self.items[0].trace
        longest = max(self.items, key=lambda item: item.passes)
        return longest.trace if longest.passes else None

    @property
    def groups(self) -> frozenset[str]:
        """Its message groups."""
        return frozenset(item.group for item in self.items if item.group is not None)

    @property
    def visible_at(self) -> float:
        """When the first of its claims ends."""
        return min(item.visible_at for item in self.items)


@dataclass(frozen=True, slots=True)
class Shape:
    """How batches are cut: at most `size` records and `most_bytes` of payload, `window_s` after the first message."""

    size: int
    window_s: float = 0.0
    most_bytes: int = SYNC_REQUEST_BYTES


class Gathering(Protocol):
    """Holds claimed messages until they are taken as batches."""

    def add(self, items: Iterable[Item]) -> None:
        """Messages were claimed."""

    def take(self, shape: Shape, now: float) -> Batch | None:
        """The next batch that is due; None when none is."""

    def due_at(self, shape: Shape) -> float | None:
        """When a batch that is not full is due anyhow; None when nothing waits for its window."""

    def leave(self, groups: Collection[str]) -> list[Item]:
        """Give up what is held of these groups."""

    def expired(self, now: float) -> list[Item]:
        """Give up what is as good as visible to others again."""

    def clear(self) -> list[Item]:
        """Give up everything."""

    def __len__(self) -> int: ...


class Loose:
    """Messages of a standard queue."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._looping: deque[Item] = deque()

    def __len__(self) -> int:
        return len(self._items) + len(self._looping)

    def add(self, items: Iterable[Item]) -> None:
        """Messages were claimed."""
        for item in items:
            (self._looping if item.loops else self._items).append(item)

    def take(self, shape: Shape, now: float) -> Batch | None:
        """The next batch that is due; None when none is."""
        return _cut(self._looping, shape, now) or _cut(self._items, shape, now)

    def due_at(self, shape: Shape) -> float | None:
        """When a batch that is not full is due anyhow; None when nothing waits for its window."""
        return min((_due(line[0], shape) for line in (self._items, self._looping) if line), default=None)

    def leave(self, groups: Collection[str]) -> list[Item]:
        """There are no groups."""
        return []

    def expired(self, now: float) -> list[Item]:
        """Give up what is as good as visible to others again."""
        late = [item for line in (self._items, self._looping) for item in line if _is_late(item, now)]
        if late:
            self._items = deque(item for item in self._items if not _is_late(item, now))
            self._looping = deque(item for item in self._looping if not _is_late(item, now))
        return late

    def clear(self) -> list[Item]:
        """Give up everything."""
        held = [*self._items, *self._looping]
        self._items.clear()
        self._looping.clear()
        return held


class Grouped:
    """Messages of a FIFO queue. `done` must be told when a batch is settled, before its groups go on."""

    def __init__(self) -> None:
        self._groups: dict[str, deque[Item]] = {}
        self._busy: set[str] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, items: Iterable[Item]) -> None:
        """Messages were claimed, each group's in order."""
        for item in items:
            self._groups.setdefault(item.group or "", deque()).append(item)
            self._count += 1

    def take(self, shape: Shape, now: float) -> Batch | None:
        """The next batch; None when every group that has messages is in one."""
        taken: list[Item] = []
        used = ENVELOPE_BYTES
        for name in [name for name in self._groups if name not in self._busy]:
            line = self._groups[name]
            if taken and line[0].loops != taken[0].loops:
                continue
            whole = _head_of_group(line, shape, used)
            # A group is not divided to fill another's batch: what is left of it would have to wait for that batch.
            is_divided = len(whole) < min(len(line), shape.size)
            if taken and (is_divided or len(taken) + len(whole) > shape.size):
                continue
            for _ in whole:
                line.popleft()
            if not line:
                del self._groups[name]
            taken += whole
            used += sum(len(item.record) + 1 for item in whole)
            self._busy.add(name)
            if len(taken) == shape.size:
                break
        self._count -= len(taken)
        return Batch(tuple(taken)) if taken else None

    def done(self, groups: Collection[str]) -> None:
        """A batch with these groups is settled."""
        self._busy.difference_update(groups)

    def due_at(self, shape: Shape) -> float | None:
        """Batches of FIFO queues have no window."""
        return None

    def leave(self, groups: Collection[str]) -> list[Item]:
        """Give up what is held of these groups."""
        left = [item for name in groups for item in self._groups.pop(name, ())]
        self._count -= len(left)
        return left

    def expired(self, now: float) -> list[Item]:
        """Give up the groups of which something is as good as visible again: it has to come first."""
        return self.leave([name for name, line in self._groups.items() if any(_is_late(item, now) for item in line)])

    def clear(self) -> list[Item]:
        """Give up everything."""
        return self.leave(list(self._groups))


def _cut(line: deque[Item], shape: Shape, now: float) -> Batch | None:
    if not line:
        return None
    count, is_full = 0, False
    used = ENVELOPE_BYTES
    for item in line:
        used += len(item.record) + 1
        # One that does not fit even alone is a batch nevertheless: it will be refused as such.
        if count == shape.size or (count and used > shape.most_bytes):
            is_full = True
            break
        count += 1
    if not is_full and count < shape.size and now < _due(line[0], shape):
        return None
    return Batch(tuple(line.popleft() for _ in range(count)))


def _head_of_group(line: deque[Item], shape: Shape, used: int) -> list[Item]:
    """The first of a group that go together: as many as fit, either looping or not."""
    head: list[Item] = []
    is_first = used == ENVELOPE_BYTES
    for item in _alike(line):
        used += len(item.record) + 1
        # As above, one that does not fit even alone is a batch.
        if len(head) == shape.size or (used > shape.most_bytes and (head or not is_first)):
            break
        head.append(item)
    return head


def _alike(line: Iterable[Item]) -> Iterator[Item]:
    first: Item | None = None
    for item in line:
        first = first or item
        if item.loops != first.loops:
            return
        yield item


def _due(first: Item, shape: Shape) -> float:
    """Its window is over; or so much of its claim that the rest is needed for the work."""
    return first.claimed_at + min(shape.window_s, first.visibility_s * _PATIENT_SHARE)


def _is_late(item: Item, now: float) -> bool:
    return now > item.visible_at - _USELESS_S
