"""The journal: what of an event's facts becomes its row, what is found, and what is let go."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bulb.core.facts import (
    AsyncEventReceived,
    AsyncEventTried,
    BatchFinished,
    Delivered,
    FunctionRef,
    InvocationThrottled,
)
from bulb.storage.database import Database
from bulb.storage.writebehind import WriteBehind
from bulb.telemetry import journal as module
from bulb.telemetry.happenings import label, rows
from bulb.telemetry.journal import Journal
from bulb.telemetry.journal_rows import Query
from tests.support.clock import MovableClock
from tests.telemetry.facts import FUNCTION, finished

HOUR = 3600.0
US = "us-east-1:000000000000"
SHOUT = FunctionRef("000000000000", "us-east-1", "shout", "$LATEST")


def delivered(id_: str, at: float = 100.0, **changes: Any) -> Delivered:
    facts: dict[str, Any] = {
        "source": "s3",
        "source_arn": "arn:aws:s3:::inbox",
        "destination_arn": SHOUT.arn,
        "delivery_id": id_,
        "created_at": at,
        "at": at,
        "outcome": "delivered",
        "attempts": 1,
        "about": "ObjectCreated:Put in/note.txt",
    }
    return Delivered(**{**facts, **changes})


def tried(id_: str, at: float = 101.0, outcome: Any = "succeeded", **changes: Any) -> AsyncEventTried:
    return AsyncEventTried(SHOUT, id_, at, 100.5, outcome, **{"attempts": 1, "duration_ms": 12.0, **changes})


def batch(**changes: Any) -> BatchFinished:
    facts: dict[str, Any] = {
        "mapping_uuid": "u",
        "mapping_arn": f"arn:aws:lambda:{US}:event-source-mapping:u",
        "source_arn": f"arn:aws:sqs:{US}:orders",
        "function": SHOUT,
        "request_id": "r",
        "message_ids": ("m1", "m2"),
        "count": 2,
        "deleted": 2,
        "failed": 0,
        "filtered": 0,
        "at": 102.0,
        "duration_ms": 500.0,
        "status": "success",
    }
    return BatchFinished(**{**facts, **changes})


@pytest.mark.parametrize(
    ("arn", "called"),
    [
        ("arn:aws:s3:::inbox", "s3:inbox"),
        (f"arn:aws:lambda:{US}:function:shout", "lambda:shout"),
        (f"arn:aws:lambda:{US}:function:shout:$LATEST", "lambda:shout"),
        (f"arn:aws:lambda:{US}:function:shout:live", "lambda:shout:live"),
        (f"arn:aws:sqs:{US}:orders.fifo", "sqs:orders.fifo"),
        (f"arn:aws:sns:{US}:news", "sns:news"),
        (f"arn:aws:events:{US}:rule/paid", "rule:paid"),
        (f"arn:aws:events:{US}:rule/orders/paid", "rule:orders/paid"),
        (f"arn:aws:events:{US}:event-bus/orders", "bus:orders"),
        (f"arn:aws:scheduler:{US}:schedule/default/nightly", "schedule:nightly"),
        (f"arn:aws:scheduler:{US}:schedule/mine/nightly", "schedule:mine/nightly"),
        (f"arn:aws:logs:{US}:log-group:/aws/lambda/shout:*", "logs:/aws/lambda/shout"),
        ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"),
        (f"arn:aws:lambda:{US}:function", f"arn:aws:lambda:{US}:function"),
        ("nonsense", "nonsense"),
        ("", ""),
    ],
)
def test_a_resource_is_called_by_its_name(arn: str, called: str) -> None:
    assert label(arn) == called


def test_one_event_is_one_row_whatever_is_told_of_it() -> None:
    (row,) = rows([delivered("a"), tried("a")])
    assert (row["source_label"], row["about"], row["target_label"]) == (
        "s3:inbox",
        "ObjectCreated:Put in/note.txt",
        "lambda:shout",
    )
    assert (row["at"], row["changed_at"], row["status"], row["duration_ms"]) == (100.0, 101.0, "succeeded", 12.0)


def test_what_is_delivered_waits_for_its_function_and_is_done_anywhere_else() -> None:
    queue = f"arn:aws:sqs:{US}:orders"
    made = rows([delivered("a"), delivered("b", destination_arn=queue), AsyncEventReceived(SHOUT, "c", 100.0)])
    assert [row["status"] for row in made] == ["waiting", "delivered", "waiting"]
    assert made[2]["source"] is None


@pytest.mark.parametrize(
    ("fact", "status", "code"),
    [
        (tried("a", outcome="retrying", code="ValueError", next_at=160.0), "retrying", "ValueError"),
        (tried("a", outcome="dropped", code="ValueError", condition="RetriesExhausted"), "failed", "ValueError"),
        (tried("a", outcome="dropped", condition="EventAgeExceeded"), "dropped", "EventAgeExceeded"),
        (delivered("a", outcome="dropped", code="NO_PERMISSIONS"), "dropped", "NO_PERMISSIONS"),
        (delivered("a", outcome="dead-lettered", code="NO_RESOURCE"), "dead-lettered", "NO_RESOURCE"),
        (batch(failed=1, deleted=1, status="partial"), "failed", None),
        (batch(failed=2, deleted=0, status="error", error="ValueError"), "failed", "ValueError"),
        (batch(failed=2, deleted=0, status="throttled"), "failed", "Throttled"),
        (batch(filtered=2, status="filtered", request_id=None), "filtered", None),
    ],
)
def test_what_does_not_succeed_says_why(fact: Any, status: str, code: str | None) -> None:
    (row,) = rows([fact])
    assert (row["status"], row["code"]) == (status, code)


def test_two_batches_without_an_invocation_are_two_events() -> None:
    skipped = [batch(filtered=1, count=1, status="filtered", request_id=None, message_ids=(m,)) for m in ("x", "y")]
    assert [row["about"] for row in rows(skipped)] == ["message x", "message y"]


def test_texts_are_short() -> None:
    (row,) = rows([delivered("a", about="a" * 1000, message="m" * 1000)])
    assert (len(row["about"]), len(row["message"])) == (200, 300)


def with_journal(where: str | Path, act: Callable[..., Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        clock = MovableClock()
        database = await Database.open(where)
        writebehind = WriteBehind(database, clock)
        journal = Journal(database, writebehind, clock, **{"days": 1.0, **settings})
        await act(journal, writebehind, clock)
        await writebehind.close()
        await database.close()

    asyncio.run(run())


def test_an_event_is_found_again_and_goes_on_after_a_restart(location: str | Path) -> None:
    async def before(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        journal.listen(delivered("a", message="a\0b"))
        journal.listen(InvocationThrottled(FUNCTION, 1.0, "x"))
        journal.listen(finished())
        (row,) = (await journal.find(Query())).events
        assert (row["status"], row["message"]) == ("waiting", "a\0b")

    async def after(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        told = (("OnFailure", "arn:aws:s3:::failures"),)
        journal.listen(tried("a", outcome="dropped", condition="RetriesExhausted", code="E", told=told))
        journal.listen(tried("unknown"))
        first, second = (await journal.find(Query())).events
        assert (first["id"], first["source_label"], first["at"]) == ("a", "s3:inbox", 100.0)
        assert (first["status"], first["code"], first["told"]) == ("failed", "E", [["OnFailure", told[0][1]]])
        assert (second["id"], second["source"], second["at"]) == ("unknown", None, 100.5)

    with_journal(location, before)
    with_journal(location, after)


def test_what_is_asked_for_is_what_is_found(location: str | Path) -> None:
    async def act(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        for number in range(10):
            journal.listen(delivered(f"{number}", 100.0 + number, source_arn=f"arn:aws:s3:::b_{number}"))
        journal.listen(tried("3", outcome="retrying"))

        async def ids(**asked: Any) -> str:
            return "".join(row["id"] for row in (await journal.find(Query(**asked))).events)

        assert await ids() == "0123456789"
        assert await ids(limit=3) == "789"
        assert await ids(since=105.0) == "56789"
        assert await ids(source="S3:B_4") == "4"
        assert await ids(source="arn:aws:s3:::b_4") == "4"
        assert await ids(source="s3%4") == ""
        assert await ids(target="lambda:shout", statuses=("retrying", "failed")) == "3"
        assert await ids(target="elsewhere") == ""
        found = await journal.find(Query(limit=3))
        assert (found.more, found.cursor) == (True, 10)
        # After a cursor: in the order of the changes, a page at a time, to the end.
        first = await journal.find(Query(after=0, limit=6))
        assert ("".join(row["id"] for row in first.events), first.more) == ("012456", True)
        second = await journal.find(Query(after=first.cursor, limit=6))
        assert ("".join(row["id"] for row in second.events), second.more) == ("7893", False)
        assert (await journal.find(Query(after=second.cursor))).events == []
        # Nothing matches, and yet nothing is looked at twice.
        assert (await journal.find(Query(after=0, source="none"))).cursor == second.cursor
        # A cursor of another server's.
        assert (await journal.find(Query(after=10**9))).cursor == second.cursor

    with_journal(location, act)


def test_who_waits_is_told_when_something_is_written(tmp_path: Path) -> None:
    async def act(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        start = (await journal.find(Query())).cursor
        waiting = asyncio.create_task(journal.find(Query(after=start), 3600.0))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        journal.listen(delivered("a"))
        await writebehind.flush()
        found = await asyncio.wait_for(waiting, 20)
        assert [row["id"] for row in found.events] == ["a"]
        late = asyncio.create_task(journal.find(Query(after=found.cursor), 3600.0))
        await asyncio.sleep(0.05)
        clock.advance(3601)
        assert (await asyncio.wait_for(late, 20)).events == []

    with_journal(tmp_path / "bulb.db", act)


def test_old_events_go_and_so_do_those_beyond_the_number(location: str | Path) -> None:
    async def act(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        now = clock.now()
        for number in range(9):
            journal.listen(delivered(f"{number}", now + number * HOUR))
        journal.listen(tried("0", now + 9 * HOUR))
        await writebehind.flush()
        assert await journal.sweep() == 5
        assert "".join(row["id"] for row in (await journal.find(Query())).events) == "0678"
        clock.advance(24 * HOUR + 8.5 * HOUR)
        assert await journal.sweep() == 3
        assert [row["id"] for row in (await journal.find(Query())).events] == ["0"]

    with_journal(location, act, most=4)


def test_a_storm_is_bounded_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 100)
    monkeypatch.setattr(module, "MOST_WRITTEN", 30)

    async def act(journal: Journal, writebehind: WriteBehind, clock: MovableClock) -> None:
        for number in range(250):
            journal.listen(delivered(f"{number:03}", 100.0 + number))
        assert journal.dropped == 150
        found = await journal.find(Query())
        assert [row["id"] for row in found.events] == [f"{number:03}" for number in range(150, 250)]
        assert "150 facts are missing" in caplog.text

    with_journal(tmp_path / "bulb.db", act)
