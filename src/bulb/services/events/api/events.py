"""PutEvents and TestEventPattern."""

import asyncio
from functools import partial
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.delivery.patterns import EVENTS, PatternError, compile_pattern
from bulb.services.events import envelope, errors
from bulb.services.events.api.base import Operations
from bulb.services.events.envelope import Refused
from bulb.services.events.matching import Way
from bulb.services.events.names import bus_of
from bulb.services.events.putting import Put

# Reading more than this takes longer than a turn of the event loop should.
_INLINE_BYTES = 65_536


class EventOperations(Operations):
    """What is done with events."""

    async def put_events(self, call: Call) -> Answer:
        """Puts events on buses, all in one transaction; an entry that is no event fails alone."""
        if call.params.get("EndpointId"):
            raise NotSupported("global endpoints (EndpointId)")
        entries: list[dict[str, Any]] = call.params["Entries"]
        size = envelope.size_of(entries)
        if size >= envelope.MOST_BYTES:
            raise errors.validation("Total size of the entries in the request is over the limit.")
        read = partial(_read, call, entries)
        answers, puts = await asyncio.to_thread(read) if size > _INLINE_BYTES else read()
        if puts:
            prepared = await self._putting.prepare(puts)
            await self._store.database.write(lambda connection: self._putting.write(connection, prepared))
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    async def test_event_pattern(self, call: Call) -> Answer:
        """Whether a pattern matches an event, which must have all members of its envelope."""
        event = envelope.event_to_test(call.params["Event"])
        try:
            pattern = compile_pattern(call.params["EventPattern"], EVENTS)
        except PatternError as error:
            raise errors.bad_pattern(error.reason) from None
        return {"Result": pattern.matches(event)}


def _read(call: Call, entries: list[dict[str, Any]]) -> tuple[list[Answer], list[Put]]:
    """What each entry is answered, and those that are events."""
    answers: list[Answer] = []
    puts: list[Put] = []
    ingested = envelope.seconds(call.now)
    for entry in entries:
        event = envelope.event_of_entry(entry, call.account, call.region, call.now)
        if isinstance(event, Refused):
            answers.append({"ErrorCode": event.code, "ErrorMessage": event.message})
            continue
        answers.append({"EventId": event.id})
        way = Way(call.now, ingested, entry.get("TraceHeader") or call.trace_header)
        puts.append(Put(bus_of(call, entry.get("EventBusName")), event, way))
    return answers, puts
