"""The life of one extension: which state may follow which.

The names are those the Extensions API's refusals and the EXTENSION log line use.
"""

from enum import Enum


class ExtensionState(Enum):
    """Where an extension is in its life."""

    STARTED = "Started"  # an external one whose process was started; it has not registered
    REGISTERED = "Registered"  # it has an identifier, and gets ready
    READY = "Ready"  # it waits for an event
    RUNNING = "Running"  # it handles an event
    INIT_ERROR = "InitError"  # it reported that it cannot start
    EXIT_ERROR = "ExitError"  # it reported that it cannot go on
    LAUNCH_ERROR = "LaunchError"  # its process could not be started
    EXITED = "Exited"  # its process has ended


_S = ExtensionState
MOVES: dict[ExtensionState, frozenset[ExtensionState]] = {
    _S.STARTED: frozenset({_S.REGISTERED, _S.LAUNCH_ERROR, _S.EXITED}),
    _S.REGISTERED: frozenset({_S.READY, _S.INIT_ERROR, _S.EXIT_ERROR, _S.EXITED}),
    _S.READY: frozenset({_S.RUNNING, _S.EXIT_ERROR, _S.EXITED}),
    _S.RUNNING: frozenset({_S.READY, _S.EXIT_ERROR, _S.EXITED}),
    # Said twice, an error is accepted; the first one counts.
    _S.INIT_ERROR: frozenset({_S.INIT_ERROR}),
    _S.EXIT_ERROR: frozenset({_S.EXIT_ERROR}),
    _S.LAUNCH_ERROR: frozenset(),
    _S.EXITED: frozenset(),
}


def may_follow(before: ExtensionState, after: ExtensionState) -> bool:
    """Whether `after` may come next."""
    return after in MOVES[before]
