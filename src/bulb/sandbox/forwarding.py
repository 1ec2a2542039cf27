"""Switching on what a machine that is no router has switched off: forwarding what comes in by its outward links.

The answers to what functions send come in there. Only those links are switched, never `ip_forward` as a whole, and
`nat.py` adds a rule that nothing but functions gains from it. What was switched is written to a file in /run and
switched back by the last server to leave, by its janitor when it was killed, or else by the next to start.

Two locks, given back by the kernel however a process ends: every server shares `users` for its life, and `gate` is held
while somebody looks or switches.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_RECORDS = Path("/run/bulb")
_PAUSE_S = 0.05


class Forwarding:
    """This server's part in it. The thread that calls `open` must be in the network namespace meant."""

    def __init__(self, place: Path, users: int) -> None:
        """Use `open`."""
        self._place = place
        self._users = users

    @classmethod
    def open(cls) -> "Forwarding":
        """Become a user; what dead servers left switched on is switched off first. Raises OSError."""
        place = _place_of_this_namespace()
        place.mkdir(parents=True, exist_ok=True)
        with _gate(place):
            users = _open(place / "users")
            try:
                if _lock(users, fcntl.LOCK_EX):
                    _switch_back(place)
                fcntl.flock(users, fcntl.LOCK_SH)
            except BaseException:
                os.close(users)
                raise
        return cls(place, users)

    def switch_on(self, links: Iterable[str]) -> list[str]:
        """Let packets that come in by `links` be forwarded. Returns those that are so only because of Bulb."""
        links = list(links)
        with _gate(self._place):
            for link in links:
                if _setting(link).read_text().strip() == "0":
                    with (self._place / "switched").open("a") as record:
                        record.write(f"{link}\n")
                    _setting(link).write_text("1")
            switched = _switched(self._place)
        return [link for link in links if link in switched]

    def close(self) -> None:
        """Stop being a user; the last one switches back."""
        os.close(self._users)
        _leave(self._place)


def clean_up(patience_s: float) -> None:
    """Switch back what dead servers left, unless somebody uses it. For the janitor.

    The kernel closes what a dying server had open one by one, with pauses: its lock may outlive the janitor's pipe.
    """
    place = _place_of_this_namespace()
    end = time.monotonic() + patience_s
    while (place / "switched").exists() and not _leave(place) and time.monotonic() < end:
        time.sleep(_PAUSE_S)


def _leave(place: Path) -> bool:
    """Switch back if nobody is a user any more."""
    with _gate(place):
        users = _open(place / "users")
        try:
            alone = _lock(users, fcntl.LOCK_EX)
            if alone:
                _switch_back(place)
        finally:
            os.close(users)
    return alone


def _switch_back(place: Path) -> None:
    for link in _switched(place):
        # The link may be gone, or its name be another's who wants it as it is: off is what it was.
        with contextlib.suppress(OSError):
            _setting(link).write_text("0")
    (place / "switched").unlink(missing_ok=True)


def _switched(place: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return (place / "switched").read_text().splitlines()
    return []


def _setting(link: str) -> Path:
    return Path("/proc/sys/net/ipv4/conf", link, "forwarding")


def _place_of_this_namespace() -> Path:
    return _RECORDS / f"forwarding-{Path('/proc/thread-self/ns/net').stat().st_ino}"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _gate(place: Path) -> Iterator[None]:
    fd = _open(place / "gate")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
