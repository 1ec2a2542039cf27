"""What the rungs without cgroups share: memory is looked at now and then, and nothing can be frozen or slowed."""

from collections.abc import Callable

from bulb.sandbox.group import MB
from bulb.sandbox.model import Code, Limits
from bulb.sandbox.polling import ResidentWatch


class PolledCell:
    """The part of a `Cell` that has no cgroups to work with."""

    def __init__(self, limits: Limits, code: Code | None, kill: Callable[[], None]) -> None:
        self._limits = limits
        self._code = code
        self._kill = kill
        self._watch: ResidentWatch | None = None

    def watch(self, pid: int) -> None:
        """See `Cell`."""
        self._watch = ResidentWatch(pid, self._limits.memory_mb * MB, self._kill)

    def unwatch(self) -> None:
        """See `Cell`."""
        if self._watch is not None:
            self._watch.stop()

    def begin_init(self) -> None:
        """No CPU limit here."""
        self._watch = None

    def end_init(self) -> None:
        """No CPU limit here."""

    def lift_share(self) -> None:
        """No CPU limit here."""

    def freeze(self) -> None:
        """No freezer here."""

    def thaw(self) -> None:
        """No freezer here."""

    def memory_peak(self) -> int:
        """See `Cell`: the largest of the samples."""
        return self._watch.peak if self._watch is not None else 0

    def broke_limit(self) -> bool:
        """See `Cell`: only what a sample has seen."""
        return self.was_oom()

    def reset_memory_peak(self) -> None:
        """See `Cell`."""
        if self._watch is not None:
            self._watch.peak = 0

    def was_oom(self) -> bool:
        """See `Cell`."""
        return self._watch is not None and self._watch.exceeded
