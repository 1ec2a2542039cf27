"""The stock: blank environments made before their function is known.

A blank sandbox is complete and locked; claiming it mounts the code and sets the limits. Runtimes that cannot fork
always start from stock when there is one; the others profit. The stock of a runtime begins with its first use, and is
refilled one at a time and only when nobody is waiting for a birth, so that refilling never slows a cold start or a
burst.
"""

import asyncio
import logging
from collections import deque

from bulb.core.errors import BulbError
from bulb.sandbox.host import Sandbox, SandboxHost
from bulb.sandbox.model import Image

_log = logging.getLogger(__name__)
# After a claim the newcomer gets the processors to itself for this long.
_QUIET_S = 0.02


class Stock:
    """Blank sandboxes, `size` per image."""

    def __init__(self, sandboxes: SandboxHost, size: int) -> None:
        self._sandboxes = sandboxes
        self._size = size
        self._blank: dict[str, deque[Sandbox]] = {}
        self._images: dict[str, Image] = {}
        self._filling: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self._last_claim = 0.0
        self._closed = False

    def __len__(self) -> int:
        return sum(len(blank) for blank in self._blank.values())

    def keep(self, image: Image) -> None:
        """From now on keep blank sandboxes of `image`."""
        if self._size > 0 and image.name not in self._images and not self._closed:
            self._images[image.name] = image
            self._blank[image.name] = deque()
            self._wanted.set()
            if self._filling is None:
                self._filling = asyncio.create_task(self._fill())

    def take(self, image: Image) -> Sandbox | None:
        """A living blank sandbox, now the caller's; None when there is none."""
        self._last_claim = asyncio.get_running_loop().time()
        blank = self._blank.get(image.name)
        while blank:
            sandbox = blank.popleft()
            self._wanted.set()
            if not sandbox.exited.done():
                return sandbox
            asyncio.create_task(sandbox.close())  # noqa: RUF006 - it ends by itself; the sandbox keeps what it needs
        return None

    async def _fill(self) -> None:
        while True:
            await self._wanted.wait()
            await self._quiet()
            image = self._lacking()
            if image is None:
                self._wanted.clear()
                continue
            try:
                self._blank[image.name].append(await self._sandboxes.start_blank(image))
            except (BulbError, OSError) as error:
                _log.warning("no blank environment of %s could be made: %s", image.name, error)
                await asyncio.sleep(1.0)

    async def _quiet(self) -> None:
        """Return when the last claim is a moment ago; each claim meanwhile begins the moment anew."""
        loop = asyncio.get_running_loop()
        while (left := self._last_claim + _QUIET_S - loop.time()) > 0:  # noqa: ASYNC110 - for time to pass, not for an event
            await asyncio.sleep(left)

    def _lacking(self) -> Image | None:
        return next((self._images[name] for name, blank in self._blank.items() if len(blank) < self._size), None)

    async def close(self) -> None:
        """End every blank sandbox."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        blank = [sandbox for kept in self._blank.values() for sandbox in kept]
        self._blank.clear()
        await asyncio.gather(*(sandbox.close() for sandbox in blank))
