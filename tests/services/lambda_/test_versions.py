"""Versions: copies of `$LATEST` under numbers of their own."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.services.lambda_.room import ARN, Room, open_room, zipped
from tests.services.lambda_.test_refusals import refused

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
STALE = (
    "PreconditionFailedException",
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
    412,
)


def change(room: Room, **settings: Any) -> None:
    room.client().update_function_configuration(FunctionName="f", **settings)
    room.settle()


def numbers(room: Room, **params: Any) -> list[str]:
    listed = room.client().list_versions_by_function(FunctionName="f", **params)["Versions"]
    return [version["Version"] for version in listed]


def test_publishing_twice_without_a_change_is_one_version(room: Room) -> None:
    room.create(Timeout=7)
    aws = room.client()
    first = aws.publish_version(FunctionName="f", Description="the first")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["FunctionArn"]) == ("1", f"{ARN}:f:1")
    assert (first["State"], first["LastUpdateStatus"]) == ("Active", "Successful")
    assert (first["Description"], first["Timeout"]) == ("the first", 7)
    again = aws.publish_version(FunctionName="f", Description="not taken")
    assert again["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (again["Version"], again["RevisionId"]) == ("1", first["RevisionId"])
    assert again["Description"] == "the first"
    change(room, Timeout=8)
    second = aws.publish_version(FunctionName="f")
    assert (second["Version"], second["Timeout"], second["Description"]) == ("2", 8, "")
    assert numbers(room) == ["$LATEST", "1", "2"]


def test_an_update_that_changes_nothing_makes_no_version(room: Room) -> None:
    room.create(Timeout=7)
    room.client().publish_version(FunctionName="f")
    change(room, Timeout=7)
    assert room.client().publish_version(FunctionName="f")["Version"] == "1"
    change(room, Description="another")
    assert room.client().publish_version(FunctionName="f")["Version"] == "2"


def test_a_version_keeps_what_it_was(room: Room) -> None:
    room.create(Timeout=7, Environment={"Variables": {"WHO": "one"}})
    aws = room.client()
    aws.publish_version(FunctionName="f")
    change(room, Timeout=9, Environment={"Variables": {"WHO": "two"}})
    old = aws.get_function_configuration(FunctionName="f", Qualifier="1")
    assert (old["Timeout"], old["Environment"]) == (7, {"Variables": {"WHO": "one"}})
    assert old["FunctionArn"] == f"{ARN}:f:1"
    by_name = aws.get_function(FunctionName="f:1")
    assert by_name["Configuration"] == {name: old[name] for name in by_name["Configuration"]}
    assert by_name["Code"]["Location"]
    for operation, further in (
        (aws.update_function_configuration, {"Timeout": 3}),
        (aws.update_function_code, {"ZipFile": zipped()}),
    ):
        assert refused(operation, FunctionName="f:1", **further)[0] == NOT_FOUND


def test_many_who_publish_at_once_get_one_version(room: Room) -> None:
    room.create()
    aws = room.client()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: aws.publish_version(FunctionName="f"), range(16)))
    assert {answer["Version"] for answer in answers} == {"1"}
    assert len({answer["RevisionId"] for answer in answers}) == 1
    assert numbers(room) == ["$LATEST", "1"]


def test_guards_of_publishing(room: Room) -> None:
    created = room.create()
    aws = room.client()
    current = room.settle()
    wrong = "x" * 43 + "="
    text = (
        f"CodeSHA256 ({wrong}) is different from current CodeSHA256 in $LATEST ({created['CodeSha256']}). "
        "Please try again with the CodeSHA256 in $LATEST."
    )
    assert refused(aws.publish_version, FunctionName="f", CodeSha256=wrong) == (INVALID, text, 400)
    assert refused(aws.publish_version, FunctionName="f", RevisionId=created["RevisionId"]) == STALE
    assert refused(aws.publish_version, FunctionName="g")[:2] == (NOT_FOUND, f"Function not found: {ARN}:g")
    got = refused(aws.publish_version, FunctionName="f", PublishTo="LATEST_PUBLISHED")
    assert (got[0], got[2]) == ("NotImplementedException", 501)
    assert "PublishTo" in got[1]
    guards = {"RevisionId": current["RevisionId"], "CodeSha256": current["CodeSha256"]}
    assert aws.publish_version(FunctionName="f", **guards)["Version"] == "1"


def test_nothing_is_published_during_an_update(room: Room) -> None:
    room.create()
    aws = room.client()
    room.gate.clear()
    try:
        aws.update_function_configuration(FunctionName="f", Timeout=5)
        text = f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}:f"
        assert refused(aws.publish_version, FunctionName="f") == ("ResourceConflictException", text, 409)
    finally:
        room.gate.set()


def test_creating_with_publish(room: Room) -> None:
    created = room.create(Publish=True)
    assert (created["Version"], created["FunctionArn"]) == ("1", f"{ARN}:f:1")
    aws = room.client()
    assert numbers(room) == ["$LATEST", "1"]
    patience = {"Delay": 0.05, "MaxAttempts": 100}
    aws.get_waiter("published_version_active").wait(FunctionName="f", Qualifier="1", WaiterConfig=patience)
    assert aws.publish_version(FunctionName="f")["Version"] == "1"
    answer = aws.invoke(FunctionName="f", Qualifier="1", Payload=b"1")
    assert answer["ExecutedVersion"] == "1"


def test_new_code_with_publish(room: Room) -> None:
    room.create()
    aws = room.client()
    assert aws.update_function_code(FunctionName="f", ZipFile=zipped(), Publish=True)["Version"] == "1"
    room.settle()
    assert aws.update_function_code(FunctionName="f", ZipFile=zipped(), Publish=True)["Version"] == "1"
    room.settle()
    other = zipped({"app.py": "handler = print"})
    published = aws.update_function_code(FunctionName="f", ZipFile=other, Publish=True)
    assert (published["Version"], published["State"]) == ("2", "Active")
    assert published["CodeSha256"] == room.settle()["CodeSha256"]
    assert numbers(room) == ["$LATEST", "1", "2"]


def test_numbers_are_never_used_twice(room: Room) -> None:
    room.create()
    aws = room.client()
    for timeout in (4, 5):
        change(room, Timeout=timeout)
        aws.publish_version(FunctionName="f")
    room.changed.clear()
    deleted = aws.delete_function(FunctionName="f", Qualifier="2")
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [ref.version for ref in room.changed] == ["2"]
    assert aws.delete_function(FunctionName="f:2")["ResponseMetadata"]["HTTPStatusCode"] == 204
    gone = (NOT_FOUND, f"Function not found: {ARN}:f:2", 404)
    assert refused(aws.get_function, FunctionName="f", Qualifier="2") == gone
    assert refused(aws.invoke, FunctionName="f", Qualifier="2") == gone
    assert aws.publish_version(FunctionName="f")["Version"] == "3"
    assert numbers(room) == ["$LATEST", "1", "3"]


def test_versions_that_cannot_be_deleted(room: Room) -> None:
    room.create()
    aws = room.client()
    latest = "$LATEST version cannot be deleted without deleting the function."
    assert refused(aws.delete_function, FunctionName="f", Qualifier="$LATEST") == (INVALID, latest, 400)
    for timeout in (4, 5):
        change(room, Timeout=timeout)
        aws.publish_version(FunctionName="f")
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    aws.create_alias(FunctionName="f", Name="canary", FunctionVersion="1", RoutingConfig=weights)
    conflict = "ResourceConflictException"
    text = "Unable to delete version because the following aliases reference it: "
    assert refused(aws.delete_function, FunctionName="f:1") == (conflict, f"{text}[canary, live]", 409)
    assert refused(aws.delete_function, FunctionName="f:2") == (conflict, f"{text}[canary]", 409)
    alias = "Deletion of aliases is not currently supported."
    assert refused(aws.delete_function, FunctionName="f:live") == (INVALID, alias, 400)
    missing = (NOT_FOUND, f"Function not found: {ARN}:g:1", 404)
    assert refused(aws.delete_function, FunctionName="g:1") == missing
    aws.delete_alias(FunctionName="f", Name="canary")
    aws.delete_function(FunctionName="f:2")
    aws.delete_function(FunctionName="f")
    assert refused(aws.get_alias, FunctionName="f", Name="live")[0] == NOT_FOUND
    room.create()
    assert numbers(room) == ["$LATEST"]
    assert aws.publish_version(FunctionName="f")["Version"] == "1"


def test_lists_of_versions_have_pages_in_the_order_of_numbers(room: Room) -> None:
    room.create()
    room.create("g")
    aws = room.client()
    for timeout in range(4, 15):
        change(room, Timeout=timeout)
        aws.publish_version(FunctionName="f")
    expected = ["$LATEST", *(str(number) for number in range(1, 12))]
    pages = list(aws.get_paginator("list_versions_by_function").paginate(FunctionName="f", MaxItems=5))
    assert [len(page["Versions"]) for page in pages] == [5, 5, 2]
    listed = [version for page in pages for version in page["Versions"]]
    assert [version["Version"] for version in listed] == expected
    assert [version["FunctionArn"] for version in listed] == [f"{ARN}:f:{number}" for number in expected]
    assert not any("State" in version for version in listed)
    pages = list(aws.get_paginator("list_functions").paginate(FunctionVersion="ALL", MaxItems=4))
    names = [function["FunctionArn"].split(":", 6)[6] for page in pages for function in page["Functions"]]
    assert names == [*(f"f:{number}" for number in expected), "g:$LATEST"]
    assert [function["Version"] for function in aws.list_functions()["Functions"]] == ["$LATEST", "$LATEST"]
    assert refused(aws.list_versions_by_function, FunctionName="h")[:2] == (NOT_FOUND, f"Function not found: {ARN}:h")


def test_every_version_counts_its_code(tmp_path: Path) -> None:
    package = zipped()
    with open_room(tmp_path, code_storage_bytes=len(package) * 3) as room:
        room.create()
        aws = room.client()

        def used() -> int:
            size: int = aws.get_account_settings()["AccountUsage"]["TotalCodeSize"]
            return size // len(package)

        assert used() == 1
        change(room, Timeout=4)
        assert used() == 1
        for timeout in (5, 6):
            aws.publish_version(FunctionName="f")
            change(room, Timeout=timeout)
        assert used() == 3
        assert aws.get_account_settings()["AccountUsage"]["FunctionCount"] == 1
        full = ("CodeStorageExceededException", "Code storage limit exceeded.", 400)
        assert refused(aws.publish_version, FunctionName="f") == full
        assert refused(aws.update_function_code, FunctionName="f", ZipFile=package, Publish=True) == full
        larger = zipped({"app.py": "handler = print", "other.py": "# " + "lamp " * 20})
        assert refused(aws.update_function_code, FunctionName="f", ZipFile=larger) == full
        assert aws.get_function_configuration(FunctionName="f")["CodeSize"] == len(package)
        aws.delete_function(FunctionName="f:1")
        assert used() == 2
        assert aws.publish_version(FunctionName="f")["Version"] == "3"


@pytest.mark.parametrize("published", [False, True])
def test_versions_outlast_the_process(tmp_path: Path, published: bool) -> None:
    with open_room(tmp_path) as room:
        room.create(Publish=published)
        room.client().publish_version(FunctionName="f")
        change(room, Timeout=9)
        room.client().create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    with open_room(tmp_path) as room:
        aws = room.client()
        assert numbers(room) == ["$LATEST", "1"]
        assert aws.invoke(FunctionName="f:live", Payload=b"1")["ExecutedVersion"] == "1"
        assert aws.publish_version(FunctionName="f")["Version"] == "2"
