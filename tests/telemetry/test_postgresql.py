"""The same rows on PostgreSQL: logs, the ledger, access keys."""

import asyncio
from pathlib import Path

from bulb.billing.ledger import Ledger
from bulb.identity.credentials import Identities
from bulb.services.iam import store
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry.log_store import LogStore
from tests.support.clock import MovableClock
from tests.telemetry.facts import AT, finished
from tests.telemetry.test_log_store import EVER, NAME


def test_every_kind_of_row(location: str | Path, tmp_path: Path) -> None:
    async def run() -> None:
        database = await Database.open(location)
        clock = MovableClock()
        writebehind = WriteBehind(database, clock)
        logs, ledger = LogStore(database, writebehind, clock), Ledger(database, writebehind)
        now = int(clock.now() * 1000)
        for i in range(3):
            logs.open_stream(*NAME, "s").write(now + i, f"{i}\0")
            ledger.listen(finished())
            await writebehind.flush()
        found = await logs.filter_events(NAME, start_ms=0, end_ms=EVER, limit=9, matches=lambda _: True, prefix="s")
        assert [event.message for event in found.events] == ["0\0", "1\0", "2\0"]
        page = await logs.get_events(NAME, "s", start_ms=0, end_ms=EVER, limit=2)
        assert [event.message for event in page.events] == ["1\0", "2\0"]
        assert [group.stored_bytes for group in await logs.describe_groups(*NAME[:2], pattern="lambda")] == [84]
        assert len(await logs.describe_streams(NAME, order="LastEventTime", descending=True)) == 1
        await logs.set_retention(NAME, 1)
        clock.advance(2 * 86_400)
        assert await logs.sweep() == 3
        assert (await ledger.statement(None, AT)).lines[0].usage.requests == 3
        identities = await Identities.open(database, tmp_path)
        assert identities.keys.of_user("nobody") == []
        assert await database.read(lambda connection: store.attachment_counts(connection, "0" * 12)) == {}
        await database.close()

    asyncio.run(run())
