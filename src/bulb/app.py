"""A running server: opening the house and its front door, and closing them."""

import asyncio
import errno
import os
from collections.abc import Mapping

from bulb.config import Config, url_of
from bulb.core.clock import Clock, SystemClock
from bulb.core.errors import BulbError
from bulb.core.facts import Facts
from bulb.house import House
from bulb.http.server import HttpServer, serve_tcp
from bulb.sandbox.model import Rung


class Bulb:
    """A running server. Made by `open_bulb`."""

    def __init__(self, house: House, server: HttpServer) -> None:
        self._house = house
        self._server = server
        self.config = house.config

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return url_of(self.config.host, self._server.port)

    @property
    def isolation(self) -> str:
        """The rung of isolation its functions run on."""
        return self._house.sandboxes.rung.value

    @property
    def warning(self) -> str | None:
        """What its functions do without and why, None on the full rung."""
        report = self._house.sandboxes.report()
        if report.rung is Rung.FULL:
            return None
        why = report.reasons.get(Rung.FULL, "it was asked for")
        return f"isolation is {report.rung.value}, not full ({why}); without {'; without '.join(report.lacks)}"

    @property
    def egress(self) -> str:
        """Whether functions reach the outside world."""
        return "nat" if self._house.sandboxes.report().egress else "none"

    @property
    def services(self) -> Mapping[str, object]:
        """The services by the names of their models; a coroutine method of one is an operation it has."""
        return self._house.services

    @property
    def facts(self) -> Facts:
        """What it says about its invocations, for whoever wants to listen."""
        return self._house.facts

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait up to `seconds` for what is under way."""
        await asyncio.gather(self._house.drain(seconds), self._server.drain(seconds))

    async def close(self) -> None:
        """Stop; nothing is left running and nothing accepted is lost."""
        await self._server.close()
        await self._house.close()


async def open_bulb(config: Config, clock: Clock | None = None) -> Bulb:
    """Start a server; it answers when this returns. Raises BulbError, saying why, when it cannot."""
    house = House(config, clock or SystemClock())
    try:
        await house.open()
        try:
            server = await serve_tcp(house.gateway.handle, config.host, config.port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
            hint = "; --port chooses another one" if error.errno == errno.EADDRINUSE else ""
            raise BulbError(f"cannot listen on {config.host}:{config.port}: {reason}{hint}") from error
        house.serve(server.port)
        return Bulb(house, server)
    except BaseException:
        await house.close()
        raise
