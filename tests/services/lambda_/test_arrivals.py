"""What other rooms send to functions: who gets in, and under which id."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from bulb.delivery.doors import Doors
from bulb.delivery.model import Refusal
from bulb.invoke.model import AsyncEvent
from bulb.services.lambda_ import Arrivals
from bulb.storage.outbox import Entry
from tests.services.lambda_.room import ARN, Room, open_room

INVOKE = {"StatementId": "s", "Action": "lambda:InvokeFunction"}
ACCOUNT = "000000000000"
BUCKET = "arn:aws:s3:::b"


class Queue:
    """Takes what gets in."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, ...]] = []
        self.events: list[AsyncEvent] = []

    def put(
        self,
        connection: Connection,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        event: AsyncEvent,
        now: float,
    ) -> None:
        self.taken.append((account, region, name, qualifier))
        self.events.append(event)


class Door:
    """Sends entries to the functions of a room."""

    def __init__(self, room: Room, *, enforced: bool) -> None:
        self._database = room.opened["database"]
        self._room = room
        self.queue = Queue()
        self._arrivals = Arrivals(self.queue, Doors(enforced=enforced))

    def send(self, arn: str = f"{ARN}:f", payload: bytes = b"{}", **about: Any) -> Refusal | None:
        attributes = {"source": "s3", "source_arn": BUCKET, "account": ACCOUNT, "trace_header": "Root=1", **about}
        entry = Entry(1, arn, payload, attributes, 1.0, "delivery")
        writing = self._database.write(lambda connection: self._arrivals.take(connection, entry, 1.0))
        answer: Refusal | None = self._room.run(writing)
        return answer

    def code(self, arn: str = f"{ARN}:f", payload: bytes = b"{}", **about: Any) -> str | None:
        refusal = self.send(arn, payload, **about)
        assert refusal is None or refusal.is_final
        return None if refusal is None else refusal.code


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with open_room(tmp_path_factory.mktemp("arrivals")) as opened:
        opened.create()
        opened.client().publish_version(FunctionName="f")
        yield opened


@pytest.fixture
def door(room: Room) -> Iterator[Door]:
    yield Door(room, enforced=True)
    aws = room.client()
    for name in ("f", "f:1"):
        with contextlib.suppress(aws.exceptions.ResourceNotFoundException):
            aws.remove_permission(FunctionName=name, StatementId="s")


def let_in(room: Room, principal: str, name: str = "f", **condition: str) -> None:
    room.client().add_permission(FunctionName=name, Principal=principal, **INVOKE, **condition)


def test_an_event_gets_the_id_of_its_delivery(room: Room, door: Door) -> None:
    let_in(room, "s3.amazonaws.com", "f:1")
    assert door.code(f"{ARN}:f:1", b'{"n":1}') is None
    assert door.queue.taken == [(ACCOUNT, "us-east-1", "f", "1")]
    [event] = door.queue.events
    assert (event.request_id, event.payload, event.trace_header) == ("delivery", b'{"n":1}', "Root=1")


def test_what_is_not_there(room: Room, door: Door) -> None:
    for arn in (f"{ARN}:nobody", f"{ARN}:f:live", f"{ARN}:f:7", "arn:aws:lambda:us-east-1:000000000000:layer:l"):
        assert door.send(arn) == Refusal("NO_RESOURCE", f"Function not found: {arn}")
    assert door.queue.taken == []


def test_the_policy_of_the_name_that_is_used_counts_and_no_other(room: Room, door: Door) -> None:
    assert door.code() == "NO_PERMISSIONS"
    let_in(room, "s3.amazonaws.com")
    assert door.code() is None
    assert door.code(f"{ARN}:f:1") == "NO_PERMISSIONS"
    room.client().remove_permission(FunctionName="f", StatementId="s")
    assert door.code() == "NO_PERMISSIONS", "the next transaction sees the next policy"
    let_in(room, "s3.amazonaws.com", "f:1")
    assert door.code(f"{ARN}:f:1") is None
    assert door.code() == "NO_PERMISSIONS"


@pytest.mark.parametrize(
    ("principal", "source", "source_arn"),
    [
        ("s3.amazonaws.com", "s3", BUCKET),
        ("sns.amazonaws.com", "sns", "arn:aws:sns:us-east-1:000000000000:t"),
        ("events.amazonaws.com", "events", "arn:aws:events:us-east-1:000000000000:rule/r"),
        ("logs.amazonaws.com", "logs", "arn:aws:logs:us-east-1:000000000000:log-group:g:*"),
        ("logs.us-east-1.amazonaws.com", "logs", "arn:aws:logs:us-east-1:000000000000:log-group:g:*"),
    ],
)
def test_each_source_needs_its_own_principal(
    room: Room, door: Door, principal: str, source: str, source_arn: str
) -> None:
    let_in(room, principal, SourceArn=source_arn, SourceAccount=ACCOUNT)
    assert door.code(source=source, source_arn=source_arn) is None
    other = "sns" if source == "s3" else "s3"
    assert door.code(source=other, source_arn=source_arn) == "NO_PERMISSIONS"
    assert door.code(source=source, source_arn="arn:aws:s3:::other") == "NO_PERMISSIONS"
    assert door.code(source=source, source_arn=source_arn, account="111111111111") == "NO_PERMISSIONS"


def test_roles_need_no_policy(room: Room, door: Door) -> None:
    role = "arn:aws:iam::000000000000:role/r"
    assert door.code(source="events", as_role=role) is None
    assert door.code(source="lambda", source_arn=f"{ARN}:g:$LATEST") is None
    assert door.code(f"{ARN}:nobody", source="lambda") == "NO_RESOURCE"


def test_where_credentials_are_not_required_policies_count_between_accounts(room: Room) -> None:
    door = Door(room, enforced=False)
    assert door.code() is None
    assert door.code(account="111111111111") == "NO_PERMISSIONS"


@pytest.mark.parametrize(
    ("payload", "code"), [(b"{", "SDK_CLIENT_ERROR"), (b'"' + b"x" * 1_048_575 + b'"', "SDK_CLIENT_ERROR"), (b"", None)]
)
def test_what_invoke_would_not_take(room: Room, payload: bytes, code: str | None) -> None:
    door = Door(room, enforced=False)
    assert door.code(payload=payload) == code
    assert [event.payload for event in door.queue.events] == ([] if code else [b"{}"])
