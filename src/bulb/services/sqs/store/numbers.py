"""The numbers of messages and receives: growing, and never given twice, not even by another process.

A process that opens the database has a generation higher than any before it; that is the upper part of the number, so
that nothing has to be read or written to hand one out.
"""

from itertools import count

_BITS = 40


class Numbers:
    """The numbers of one process. Any thread may take some."""

    def __init__(self, generation: int) -> None:
        self._count = count((generation << _BITS) + 1)

    def next(self) -> int:
        """A number above all that were given before. One step of the interpreter: no two threads get the same."""
        return next(self._count)
