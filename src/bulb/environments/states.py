"""The life of an execution environment: which state may follow which."""

from enum import Enum

from bulb.core.errors import BulbError


class State(Enum):
    """Where an environment is in its life."""

    INIT = "init"  # the runtime starts and loads the function; no event yet
    READY = "ready"  # waiting for an event; may be frozen
    BUSY = "busy"  # one event is being handled
    FINISHING = "finishing"  # it has answered, but its runtime has not asked for the next event yet
    BROKEN = "broken"  # its processes are gone, /tmp is kept; the next event runs init again inside its own time
    ENDED = "ended"  # nothing is left


MOVES: dict[State, frozenset[State]] = {
    State.INIT: frozenset({State.READY, State.BROKEN, State.ENDED}),
    State.READY: frozenset({State.BUSY, State.BROKEN, State.ENDED}),
    State.BUSY: frozenset({State.READY, State.FINISHING, State.BROKEN, State.ENDED}),
    State.FINISHING: frozenset({State.READY, State.BROKEN, State.ENDED}),
    State.BROKEN: frozenset({State.BUSY, State.ENDED}),
    State.ENDED: frozenset(),
}


class IllegalMoveError(BulbError):
    """A move that is not in the table: a defect of ours, never of a function's."""

    def __init__(self, before: State, after: State) -> None:
        super().__init__(f"an environment cannot go from {before.value} to {after.value}")


def move(before: State, after: State) -> State:
    """`after`, if it may follow `before`. Raises IllegalMoveError."""
    if after not in MOVES[before]:
        raise IllegalMoveError(before, after)
    return after
