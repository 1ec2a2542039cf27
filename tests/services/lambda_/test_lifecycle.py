"""The states of a function, and the members each answer has in them."""

import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bulb.services.lambda_ import catalog
from tests.services.lambda_.room import ARN, Room, open_room, zipped

ALWAYS = {
    "FunctionName",
    "FunctionArn",
    "Runtime",
    "Role",
    "Handler",
    "CodeSize",
    "Description",
    "Timeout",
    "MemorySize",
    "LastModified",
    "CodeSha256",
    "Version",
    "TracingConfig",
    "RevisionId",
    "PackageType",
    "Architectures",
    "EphemeralStorage",
    "SnapStart",
    "LoggingConfig",
}
ONE = ALWAYS | {"RuntimeVersionConfig", "State", "ResponseMetadata"}


def message(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str, int]:
    answer = raised.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    return answer["Error"]["Code"], answer["Error"]["Message"], status


def test_create_answers_pending_with_defaults(room: Room) -> None:
    room.gate.clear()
    created = room.create()
    assert set(created) == ONE | {"StateReason", "StateReasonCode"}
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (created["State"], created["StateReason"], created["StateReasonCode"]) == (
        "Pending",
        "The function is being created.",
        "Creating",
    )
    assert created["FunctionArn"] == f"{ARN}:f"
    assert (created["Timeout"], created["MemorySize"], created["Description"]) == (3, 128, "")
    assert created["EphemeralStorage"] == {"Size": 512}
    assert created["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
    assert created["SnapStart"] == {"ApplyOn": "None", "OptimizationStatus": "Off"}
    assert created["TracingConfig"] == {"Mode": "PassThrough"}
    assert (created["Version"], created["PackageType"], created["Architectures"]) == ("$LATEST", "Zip", ["x86_64"])
    arn = created["RuntimeVersionConfig"]["RuntimeVersionArn"]
    assert arn.startswith("arn:aws:lambda:us-east-1::runtime:")
    assert len(arn.rpartition(":")[2]) == 64


def test_it_becomes_active_with_another_revision(room: Room) -> None:
    created = room.create(Environment={"Variables": {}})
    active = room.settle()
    assert set(active) == ONE | {"LastUpdateStatus", "Environment"}
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert active["RevisionId"] != created["RevisionId"]
    assert active["LastModified"] == created["LastModified"]
    assert active["Environment"] == {"Variables": {}}


def test_get_wraps_configuration_code_and_tags(room: Room) -> None:
    room.create(Tags={"team": "lights"})
    aws = room.client()
    plain = aws.get_function(FunctionName="f")
    assert set(plain) == {"Configuration", "Code", "Tags", "ResponseMetadata"}
    assert plain["Tags"] == {"team": "lights"}
    assert plain["Code"]["RepositoryType"] == "S3"
    assert plain["Configuration"]["FunctionArn"] == f"{ARN}:f"
    named = aws.get_function(FunctionName="f", Qualifier="$LATEST")
    assert named["Configuration"]["FunctionArn"] == f"{ARN}:f:$LATEST"
    room.create("untagged")
    assert "Tags" not in aws.get_function(FunctionName="untagged")


def test_the_code_can_be_downloaded_for_ten_minutes(room: Room) -> None:
    package = zipped({"app.py": "x = 1\n"})
    room.create(Code={"ZipFile": package})
    url = room.client().get_function(FunctionName="f")["Code"]["Location"]
    with urllib.request.urlopen(url) as response:
        assert response.read() == package
    for wrong in (url.replace("digest=", "digest=0"), url + "0"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong)
        assert refused.value.code == 403
    room.clock.advance(601)
    with pytest.raises(urllib.error.HTTPError) as late:
        urllib.request.urlopen(url)
    assert late.value.code == 403


def test_an_update_is_in_progress_and_the_old_code_runs(room: Room) -> None:
    room.create(Environment={"Variables": {"NAME": "old"}})
    before = room.settle()
    aws = room.client()
    aws.invoke(FunctionName="f")
    room.gate.clear()
    room.changed.clear()
    updated = aws.update_function_code(FunctionName="f", ZipFile=zipped({"app.py": "y = 2\n"}))
    assert (updated["State"], updated["LastUpdateStatus"]) == ("Active", "InProgress")
    assert updated["LastUpdateStatusReason"] == "The function is being created."
    assert updated["LastUpdateStatusReasonCode"] == "Creating"
    assert updated["CodeSha256"] != before["CodeSha256"]
    assert updated["RevisionId"] != before["RevisionId"]

    refusal = f"The operation cannot be performed at this time. An update is in progress for resource: {ARN}:f"
    for attempt in (
        lambda: aws.update_function_code(FunctionName="f", ZipFile=zipped()),
        lambda: aws.update_function_configuration(FunctionName="f", Timeout=5),
        lambda: aws.tag_resource(Resource=f"{ARN}:f", Tags={"a": "b"}),
    ):
        with pytest.raises(ClientError) as raised:
            attempt()
        assert message(raised) == ("ResourceConflictException", refusal, 409)

    aws.invoke(FunctionName="f")
    old, new = (invocation.spec for invocation in room.runner.invocations)
    assert old == new
    assert room.changed == []
    room.gate.set()
    done = room.settle()
    assert done["LastUpdateStatus"] == "Successful"
    assert done["RevisionId"] != updated["RevisionId"]
    assert [ref.name for ref in room.changed] == ["f"]
    aws.invoke(FunctionName="f")
    latest = room.runner.invocations[-1].spec
    assert latest.code != old.code
    assert latest.revision != old.revision
    assert (latest.code / "app.py").read_text() == "y = 2\n"


def test_pending_functions_cannot_be_changed_and_are_waited_for_by_invoke(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.gate.clear()
    room.create()
    aws = room.client()
    refusal = (
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    )
    for attempt in (
        lambda: aws.update_function_configuration(FunctionName="f", Timeout=5),
        lambda: aws.invoke(FunctionName="f"),
    ):
        with pytest.raises(ClientError) as raised:
            attempt()
        assert message(raised) == ("ResourceConflictException", refusal, 409)
    monkeypatch.setattr(catalog, "PENDING_PATIENCE_S", 30.0)  # here it is not about how long it waits
    room.gate.set()
    assert aws.invoke(FunctionName="f")["StatusCode"] == 200


def test_invoke_right_after_create(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "PENDING_PATIENCE_S", 30.0)
    aws = room.client()
    for number in range(5):
        name = f"f{number}"
        room.gate.clear()
        room.create(name)
        room.gate.set()
        assert aws.invoke(FunctionName=name)["StatusCode"] == 200


def test_delete_leaves_nothing_and_tells_who_runs_it(room: Room) -> None:
    room.create(Tags={"a": "b"})
    aws = room.client()
    aws.add_permission(FunctionName="f", StatementId="s", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com")
    room.changed.clear()
    assert aws.delete_function(FunctionName="f")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert [ref.name for ref in room.changed] == ["f"]
    for attempt in (aws.get_function, aws.get_function_configuration, aws.delete_function, aws.invoke):
        with pytest.raises(ClientError) as raised:
            attempt(FunctionName="f")
        assert message(raised) == ("ResourceNotFoundException", f"Function not found: {ARN}:f", 404)
    room.create()
    assert aws.list_tags(Resource=f"{ARN}:f")["Tags"] == {}
    with pytest.raises(ClientError):
        aws.get_policy(FunctionName="f")


def test_everything_answered_is_there_after_a_restart(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.create(Tags={"a": "b"}, Timeout=9, Environment={"Variables": {"KEY": "é"}}, MemorySize=512)
        before = room.client().get_function(FunctionName="f")
    with open_room(tmp_path) as room:
        after = room.client().get_function(FunctionName="f")
        assert after["Configuration"] == before["Configuration"]
        assert after["Tags"] == before["Tags"]
        assert room.client().invoke(FunctionName="f")["StatusCode"] == 200


def test_what_was_unfinished_is_taken_up_at_the_next_start(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.create("updated")
        room.gate.clear()
        room.create("created")
        room.client().update_function_configuration(FunctionName="updated", Timeout=7)
    with open_room(tmp_path, resume=False) as room:
        shown = room.client().get_function_configuration(FunctionName="created")
        assert shown["State"] == "Pending"
    with open_room(tmp_path) as room:
        assert room.settle("created")["State"] == "Active"
        assert room.settle("updated")["LastUpdateStatus"] == "Successful"
        room.client().invoke(FunctionName="updated")
        assert room.runner.invocations[0].spec.timeout_s == 7


def test_lost_unpacked_code_is_made_again_from_the_blob(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.create()
    (tmp_path / "code").rename(tmp_path / "lost")
    with open_room(tmp_path) as room:
        room.client().invoke(FunctionName="f")
        assert (room.runner.invocations[0].spec.code / "app.py").exists()


def test_a_lost_blob_makes_the_update_fail_and_the_old_code_runs_on(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        first = zipped({"app.py": "first = 1\n"})
        room.create(Code={"ZipFile": first})
        room.gate.clear()
        room.client().update_function_code(FunctionName="f", ZipFile=zipped({"app.py": "second = 2\n"}))
        pending = room.run(room.opened["store"].unsettled())
        record = room.run(room.opened["store"].find(pending[0]))
        digest = record.definition.code.digest
    (tmp_path / "blobs" / digest[:2] / digest[2:]).unlink()
    (tmp_path / "code" / digest).rename(tmp_path / "lost")
    with open_room(tmp_path) as room:
        shown = room.settle()
        assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Failed")
        assert shown["LastUpdateStatusReasonCode"] == "InternalError"
        room.client().invoke(FunctionName="f")
        assert (room.runner.invocations[0].spec.code / "app.py").read_text() == "first = 1\n"


def test_unpacked_code_that_nothing_uses_goes_at_the_next_start(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.create("kept")
        room.create("gone", Code={"ZipFile": zipped({"gone.py": ""})})
        room.client().delete_function(FunctionName="gone")
    (tmp_path / "code" / ".half").mkdir()
    assert len(list((tmp_path / "code").iterdir())) == 3
    with open_room(tmp_path) as room:
        (left,) = (tmp_path / "code").iterdir()
        assert (left / "app.py").exists()
        assert room.client().invoke(FunctionName="kept")["StatusCode"] == 200


def test_a_function_that_cannot_be_activated_is_failed_until_it_gets_other_code(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        room.gate.clear()
        room.create()
    for folder in ("blobs", "code"):
        (tmp_path / folder).rename(tmp_path / f"lost-{folder}")
    with open_room(tmp_path) as room:
        failed = room.settle()
        assert (failed["State"], failed["StateReasonCode"]) == ("Failed", "InternalError")
        assert "LastUpdateStatus" not in failed
        with pytest.raises(ClientError) as raised:
            room.client().invoke(FunctionName="f")
        text = (
            "The operation cannot be performed at this time. The function is currently in the following state: Failed"
        )
        assert message(raised) == ("ResourceConflictException", text, 409)
        room.client().update_function_code(FunctionName="f", ZipFile=zipped())
        assert room.settle()["State"] == "Active"
        assert room.client().invoke(FunctionName="f")["StatusCode"] == 200


def test_activation_is_tried_again_when_the_database_refuses(room: Room) -> None:
    store = room.opened["store"]
    room.gate.clear()
    room.create()
    refusals = iter([OSError("no space left"), OSError("no space left")])
    change = store.change

    async def refusing(*arguments: Any) -> Any:
        if (error := next(refusals, None)) is not None:
            raise error
        return await change(*arguments)

    store.change = refusing
    room.gate.set()
    for _ in range(3_000):
        room.clock.advance(10)
        if room.client().get_function_configuration(FunctionName="f")["State"] == "Active":
            break
    assert room.settle()["State"] == "Active"
    assert next(refusals, None) is None
