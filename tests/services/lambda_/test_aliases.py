"""Aliases: what they may be, what they say, and which version answers for them."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bulb.core.errors import AwsError
from tests.services.lambda_.room import ARN, ROLE, Room, open_room
from tests.services.lambda_.test_refusals import refused

INVALID = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"


def publish(room: Room, count: int) -> None:
    """The function `f` with that many versions."""
    room.create()
    aws = room.client()
    for number in range(count):
        aws.update_function_configuration(FunctionName="f", Timeout=10 + number)
        room.settle()
        aws.publish_version(FunctionName="f")


def weighted(version: str, weight: float) -> dict[str, Any]:
    return {"RoutingConfig": {"AdditionalVersionWeights": {version: weight}}}


def told(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("ResponseMetadata", "RevisionId")}


def test_the_life_of_an_alias(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    created = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1", Description="what runs")
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    shown = {"AliasArn": f"{ARN}:f:live", "Name": "live", "FunctionVersion": "1", "Description": "what runs"}
    assert told(created) == shown
    assert told(aws.get_alias(FunctionName="f", Name="live")) == shown
    split = aws.update_alias(FunctionName="f", Name="live", **weighted("2", 0.25))
    assert told(split) == {**shown, **weighted("2", 0.25)}
    assert split["RevisionId"] != created["RevisionId"]
    kept = aws.update_alias(FunctionName="f", Name="live", Description="both")
    assert told(kept) == {**shown, **weighted("2", 0.25), "Description": "both"}
    cleared = aws.update_alias(
        FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {}}
    )
    assert told(cleared) == {**shown, "FunctionVersion": "2", "Description": "both"}
    for _ in range(2):
        deleted = aws.delete_alias(FunctionName="f", Name="live")
        assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    missing = (NOT_FOUND, f"Cannot find alias arn: {ARN}:f:live", 404)
    assert refused(aws.get_alias, FunctionName="f", Name="live") == missing


def test_an_alias_changes_only_for_who_saw_the_last_one(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    first = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2", RevisionId=first["RevisionId"])
    stale = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
        412,
    )
    change = {"FunctionName": "f", "Name": "live", "FunctionVersion": "1", "RevisionId": first["RevisionId"]}
    assert refused(aws.update_alias, **change) == stale
    assert aws.get_alias(FunctionName="f", Name="live")["FunctionVersion"] == "2"


def test_of_many_who_saw_the_same_alias_one_changes_it(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    seen = aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")["RevisionId"]

    def attempt(number: int) -> bool:
        try:
            aws.update_alias(FunctionName="f", Name="live", Description=str(number), RevisionId=seen)
        except aws.exceptions.PreconditionFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


def test_what_an_alias_cannot_be(room: Room) -> None:
    publish(room, 3)
    aws = room.client()

    def refusal(version: str, name: str = "live", function: str = "f", **routing: Any) -> tuple[str, str, int]:
        return refused(aws.create_alias, FunctionName=function, Name=name, FunctionVersion=version, **routing)

    assert refusal("7") == (NOT_FOUND, f"Function not found: {ARN}:f:7", 404)
    assert refusal("1", function="g") == (NOT_FOUND, f"Function not found: {ARN}:g", 404)
    assert refusal("1", **weighted("7", 0.5)) == (NOT_FOUND, f"Function not found: {ARN}:f:7", 404)
    latest = "$LATEST is not supported for an alias pointing to more than 1 version"
    assert refusal("$LATEST", **weighted("1", 0.5)) == (INVALID, latest, 400)
    twice = "Invalid function version 1. Function version 1 is already included in routing configuration."
    assert refusal("1", **weighted("1", 0.5)) == (INVALID, twice, 400)
    many = {"RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1, "3": 0.1}}}
    text = "Number of items in AdditionalVersionWeights cannot be greater than 1"
    assert refusal("1", **many) == (INVALID, text, 400)
    weights = "at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: Map"
    text = (
        f"1 validation error detected: Value '{{2=1.5}}' {weights} value must satisfy constraint: "
        "[Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, "
        "Member must not be null]"
    )
    assert refusal("1", **weighted("2", 1.5)) == ("ValidationException", text, 400)
    text = (
        f"1 validation error detected: Value '{{$LATEST=0.5}}' {weights} keys must satisfy constraint: "
        "[Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, "
        "Member must satisfy regular expression pattern: [0-9]+, Member must not be null]"
    )
    assert refusal("1", **weighted("$LATEST", 0.5)) == ("ValidationException", text, 400)
    assert refusal("1", name="7")[0] == "ValidationException"
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert refusal("2") == ("ResourceConflictException", f"Alias already exists: {ARN}:f:live", 409)
    absent = (NOT_FOUND, f"Alias not found: {ARN}:f:other", 404)
    assert refused(aws.update_alias, FunctionName="f", Name="other", FunctionVersion="1") == absent
    aws.update_alias(FunctionName="f", Name="live", **weighted("2", 0.5))
    moved = refused(aws.update_alias, FunctionName="f", Name="live", FunctionVersion="2")
    assert moved == (INVALID, twice.replace("1", "2"), 400)
    assert refused(aws.delete_alias, FunctionName="g", Name="live")[:2] == (NOT_FOUND, f"Function not found: {ARN}:g")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"Role": f"{ROLE}-other"}, "execution role"),
        ({"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:000000000000:dead"}}, "dead-letter queue"),
    ],
)
def test_what_two_versions_of_an_alias_have_in_common(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    with open_room(tmp_path, destinations=frozenset({"sqs"})) as room:
        publish(room, 1)
        aws = room.client()
        aws.update_function_configuration(FunctionName="f", **change)
        room.settle()
        aws.publish_version(FunctionName="f")
        both = {"FunctionName": "f", "Name": "live", "FunctionVersion": "1", **weighted("2", 0.5)}
        code, message, _ = refused(aws.create_alias, **both)
        assert (code, named in message) == (INVALID, True)
        aws.update_function_configuration(FunctionName="f", Timeout=3)
        room.settle()
        aws.publish_version(FunctionName="f")
        aws.create_alias(FunctionName="f", Name="live", FunctionVersion="2", **weighted("3", 0.5))


def test_lists_of_aliases(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    for number in range(5):
        aws.create_alias(FunctionName="f", Name=f"a{number}", FunctionVersion="1")
    aws.create_alias(FunctionName="f", Name="split", FunctionVersion="1", **weighted("2", 0.1))
    aws.create_alias(FunctionName="f", Name="two", FunctionVersion="2")
    pages = list(aws.get_paginator("list_aliases").paginate(FunctionName="f", MaxItems=3))
    assert [len(page["Aliases"]) for page in pages] == [3, 3, 1]
    names = [alias["Name"] for page in pages for alias in page["Aliases"]]
    assert names == ["a0", "a1", "a2", "a3", "a4", "split", "two"]
    invoking = aws.list_aliases(FunctionName="f", FunctionVersion="2")["Aliases"]
    assert [alias["Name"] for alias in invoking] == ["split", "two"]
    assert refused(aws.list_aliases, FunctionName="g")[:2] == (NOT_FOUND, f"Function not found: {ARN}:g")


def test_reading_a_function_by_its_alias(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1", **weighted("2", 0.9))
    shown = aws.get_function_configuration(FunctionName="f", Qualifier="live")
    assert (shown["FunctionArn"], shown["Version"], shown["Timeout"]) == (f"{ARN}:f:live", "1", 10)
    missing = (NOT_FOUND, f"Function not found: {ARN}:f:other", 404)
    assert refused(aws.get_function, FunctionName="f:other") == missing


def test_invoking_by_alias(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    assert aws.invoke(FunctionName="f", Qualifier="live")["ExecutedVersion"] == "1"
    invocation = room.runner.invocations[-1]
    assert (invocation.invoked_arn, invocation.spec.ref.version) == (f"{ARN}:f:live", "1")
    assert invocation.spec.timeout_s == 10
    aws.update_alias(FunctionName="f", Name="live", FunctionVersion="2")
    assert aws.invoke(FunctionName=f"{ARN}:f:live")["ExecutedVersion"] == "2"
    assert aws.invoke(FunctionName="f:live", InvocationType="DryRun")["StatusCode"] == 204
    assert aws.invoke(FunctionName="f:live", InvocationType="Event")["StatusCode"] == 202
    assert room.runner.events[-1][:2] == ("f", "live")
    aws.delete_alias(FunctionName="f", Name="live")
    missing = (NOT_FOUND, f"Function not found: {ARN}:f:live", 404)
    for kind in ("RequestResponse", "Event", "DryRun"):
        assert refused(aws.invoke, FunctionName="f:live", InvocationType=kind) == missing


def test_an_alias_of_latest_follows_it(room: Room) -> None:
    publish(room, 1)
    aws = room.client()
    aws.create_alias(FunctionName="f", Name="newest", FunctionVersion="$LATEST")
    assert aws.invoke(FunctionName="f:newest")["ExecutedVersion"] == "$LATEST"
    aws.update_function_configuration(FunctionName="f", Timeout=77)
    room.settle()
    aws.invoke(FunctionName="f:newest")
    assert room.runner.invocations[-1].spec.timeout_s == 77


def test_dead_letters_of_an_alias_that_is_gone_are_those_of_latest(tmp_path: Path) -> None:
    letters = "arn:aws:sqs:us-east-1:000000000000:letters"
    with open_room(tmp_path, destinations=frozenset({"sqs"})) as room:
        publish(room, 1)
        aws = room.client()
        aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
        aws.update_function_configuration(FunctionName="f", DeadLetterConfig={"TargetArn": letters})
        room.settle()

        def dead_letter(name: str = "f") -> str | None:
            found: str | None = room.run(room.opened["catalog"].dead_letter("000000000000", "us-east-1", name, "live"))
            return found

        assert dead_letter() is None
        aws.delete_alias(FunctionName="f", Name="live")
        assert dead_letter() == letters
        with pytest.raises(AwsError, match="Function not found"):
            dead_letter("nobody")


@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0])
def test_weights_are_probabilities(room: Room, weight: float) -> None:
    publish(room, 2)
    aws = room.client()
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1", **weighted("2", weight))
    aws.invoke(FunctionName="f:live")

    async def draw(count: int) -> Counter[str]:
        catalog = room.opened["catalog"]
        resolve = catalog.resolve
        found = [await resolve("000000000000", "us-east-1", "f", "live") for _ in range(count)]
        assert {resolved.invoked_arn for resolved in found} == {f"{ARN}:f:live"}
        return Counter(resolved.spec.ref.version for resolved in found)

    drawn, count = room.run(draw(10_000)), 10_000
    deviation = (count * weight * (1 - weight)) ** 0.5
    assert abs(drawn["2"] - count * weight) <= 5 * deviation
    assert drawn["1"] + drawn["2"] == count


def test_a_version_nobody_has_asked_for_yet_gets_its_share_too(room: Room) -> None:
    publish(room, 2)
    aws = room.client()
    aws.create_alias(FunctionName="f", Name="live", FunctionVersion="1", **weighted("2", 0.01))
    room.draws[:] = [0.5, 0.009, 0.01, 0.0]
    executed = [aws.invoke(FunctionName="f:live")["ExecutedVersion"] for _ in range(4)]
    assert executed == ["1", "2", "1", "2"]
    assert not room.draws
