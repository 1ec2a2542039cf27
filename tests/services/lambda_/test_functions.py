"""Lists, merges, tags, account settings; and callers who change the same function at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.room import ARN, Room, open_room, zipped
from tests.services.lambda_.test_lifecycle import ALWAYS
from tests.services.lambda_.test_refusals import INVALID, refused


def test_list_items_have_no_states(room: Room) -> None:
    room.create("b", Environment={"Variables": {"KEY": "v"}})
    room.create("a")
    aws = room.client()
    first, second = aws.list_functions()["Functions"]
    assert set(first) == ALWAYS
    assert set(second) == ALWAYS | {"Environment"}
    assert (first["FunctionArn"], second["FunctionArn"]) == (f"{ARN}:a", f"{ARN}:b")
    every = aws.list_functions(FunctionVersion="ALL")["Functions"]
    assert [item["FunctionArn"] for item in every] == [f"{ARN}:a:$LATEST", f"{ARN}:b:$LATEST"]
    assert aws.list_functions(FunctionVersion="ALL", MasterRegion="eu-west-1")["Functions"] == []
    assert refused(aws.list_functions, MasterRegion="ALL")[0] == INVALID
    assert refused(aws.list_functions, Marker="%")[0] == INVALID


def test_pages_hold_50_at_most(room: Room) -> None:
    code = {"ZipFile": zipped()}
    aws = room.client()
    names = [f"f{number:03d}" for number in range(53)]
    for name in names:
        aws.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Role="arn:aws:iam::000000000000:role/r",
            Handler="a.b",
            Code=code,
        )
    page = aws.list_functions(MaxItems=10_000)
    assert len(page["Functions"]) == 50
    pages = list(aws.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 20}))
    assert [len(page["Functions"]) for page in pages] == [20, 20, 13]
    assert "NextMarker" not in pages[-1]
    assert [item["FunctionName"] for page in pages for item in page["Functions"]] == names


OPTIONS: list[dict[str, Any]] = [
    {"Description": "what it is for"},
    {"Timeout": 77},
    {"MemorySize": 333},
    {"EphemeralStorage": {"Size": 600}},
    {"Environment": {"Variables": {"COLOUR": "red"}}},
    {"TracingConfig": {"Mode": "Active"}},
    {"Handler": "other.function"},
    {"Role": "arn:aws:iam::000000000000:role/other"},
    {"Runtime": "nodejs22.x"},
    {"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "WARN", "SystemLogLevel": "DEBUG", "LogGroup": "g"}},
    {"VpcConfig": {"SubnetIds": ["subnet-0123456789abcdef0"], "SecurityGroupIds": ["sg-0123456789abcdef0"]}},
    {
        "FileSystemConfigs": [
            {
                "Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                "LocalMountPath": "/mnt/x",
            }
        ]
    },
    {"SnapStart": {"ApplyOn": "PublishedVersions"}},
]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: next(iter(option)))
def test_each_option_is_kept_as_given(room: Room, option: dict[str, Any]) -> None:
    ((name, given),) = option.items()
    aws = room.client()
    plain = {"Runtime": "python3.12", "MemorySize": 512}
    room.create("updated", **plain)

    def shows(function: str) -> bool:
        shown = room.settle(function).get(name, {})
        return all(item in shown.items() for item in given.items()) if isinstance(given, dict) else shown == given

    assert not shows("updated")
    room.create("made", **{**plain, **option})
    assert shows("made")
    aws.update_function_configuration(FunctionName="updated", **option)
    assert shows("updated")


def test_configuration_updates_merge(room: Room) -> None:
    room.create(
        Description="d",
        Environment={"Variables": {"ONE": "1", "TWO": "2"}},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/mine", "SystemLogLevel": "WARN"},
    )
    aws = room.client()

    def update(**params: Any) -> dict[str, Any]:
        aws.update_function_configuration(FunctionName="f", **params)
        return room.settle()

    before = room.settle()
    json_logging = {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
        "LogGroup": "/mine",
    }
    assert before["LoggingConfig"] == json_logging
    after = update(Timeout=30)
    changing = {"Timeout", "RevisionId", "LastModified", "ResponseMetadata"}
    assert {name for name in after if after[name] != before[name]} == changing
    after = update(Environment={"Variables": {"THREE": "3"}}, Description="", MemorySize=1769)
    assert after["Environment"]["Variables"] == {"THREE": "3"}
    assert (after["Description"], after["MemorySize"], after["Timeout"]) == ("", 1769, 30)
    assert update(Environment={})["Environment"] == {"Variables": {}}
    assert update(LoggingConfig={"LogFormat": "Text"})["LoggingConfig"] == {
        "LogFormat": "Text",
        "LogGroup": "/mine",
    }
    after = update(
        Runtime="nodejs22.x", Handler="index.handler", EphemeralStorage={"Size": 1024}, Role=f"{before['Role']}2"
    )
    assert (after["Runtime"], after["Handler"], after["EphemeralStorage"]) == (
        "nodejs22.x",
        "index.handler",
        {"Size": 1024},
    )
    aws.invoke(FunctionName="f")
    spec = room.runner.invocations[0].spec
    assert (spec.runtime, spec.handler, spec.role) == ("nodejs22.x", "index.handler", f"{before['Role']}2")
    assert (spec.timeout_s, spec.memory_mb, spec.ephemeral_mb) == (30, 1769, 1024)
    assert (spec.log_group, spec.log_format, spec.system_log_level) == ("/mine", "Text", None)


def test_a_dry_run_of_new_code_changes_nothing(room: Room) -> None:
    room.create()
    before = room.settle()
    aws = room.client()
    package = zipped({"other.py": ""})
    shown = aws.update_function_code(FunctionName="f", ZipFile=package, DryRun=True)
    assert shown["CodeSize"] == len(package)
    assert shown["CodeSha256"] != before["CodeSha256"]
    after = room.settle()
    assert {**after, "ResponseMetadata": None} == {**before, "ResponseMetadata": None}
    assert refused(aws.update_function_code, FunctionName="f", ZipFile=b"no", DryRun=True)[0] == INVALID
    both = refused(aws.update_function_code, FunctionName="f", ZipFile=package, DryRun=True, Publish=True)
    assert both[0] == INVALID and both[1].startswith("Publish and DryRun are mutually exclusive parameters.")


def test_only_one_of_many_updates_with_one_revision_wins(room: Room) -> None:
    room.create()
    revision = room.settle()["RevisionId"]
    aws = room.client(max_pool_connections=8)

    def update(number: int) -> str:
        try:
            aws.update_function_configuration(FunctionName="f", Timeout=number, RevisionId=revision)
        except ClientError as error:
            code: str = error.response["Error"]["Code"]
            return code
        return f"won {number}"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(update, range(10, 26)))
    winners = [outcome for outcome in outcomes if outcome.startswith("won")]
    assert len(winners) == 1
    assert set(outcomes) - set(winners) == {"PreconditionFailedException"}
    assert room.settle()["Timeout"] == int(winners[0].removeprefix("won "))


def test_only_one_of_many_creates_wins(room: Room) -> None:
    aws = room.client(max_pool_connections=8)
    code = {"ZipFile": zipped()}

    def create(number: int) -> str:
        try:
            aws.create_function(
                FunctionName="f",
                Runtime="python3.12",
                Role="arn:aws:iam::000000000000:role/r",
                Handler="a.b",
                Code=code,
                Description=str(number),
            )
        except ClientError as error:
            text: str = error.response["Error"]["Message"]
            return text
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(create, range(16)))
    assert sorted(set(outcomes)) == ["Function already exist: f", "won"]
    assert outcomes.count("won") == 1


def test_tags(room: Room) -> None:
    room.create(Tags={"a": "1"})
    aws = room.client()
    arn = f"{ARN}:f"
    before = room.settle()["RevisionId"]
    aws.tag_resource(Resource=arn, Tags={"b": "2", "a": "3"})
    assert aws.list_tags(Resource=arn)["Tags"] == {"a": "3", "b": "2"}
    aws.untag_resource(Resource=arn, TagKeys=["a", "never"])
    assert aws.list_tags(Resource=arn)["Tags"] == {"b": "2"}
    assert room.settle()["RevisionId"] == before
    many = {f"k{number}": "v" for number in range(50)}
    too_many = (INVALID, "Number of tags exceeds resource tag limit.", 400)
    assert refused(aws.tag_resource, Resource=arn, Tags=many) == too_many
    assert refused(room.create, name="g", Tags={**many, "more": ""}) == too_many
    empty = (INVALID, "An error occurred and the request cannot be processed.", 400)
    assert refused(aws.tag_resource, Resource=arn, Tags={}) == empty
    qualified = (
        INVALID,
        "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        400,
    )
    for call, params in (
        (aws.tag_resource, {"Tags": {"a": "b"}}),
        (aws.untag_resource, {"TagKeys": ["a"]}),
        (aws.list_tags, {}),
    ):
        assert refused(call, Resource=f"{arn}:live", **params) == qualified
        missing = ("ResourceNotFoundException", f"Function not found: {ARN}:none", 404)
        assert refused(call, Resource=f"{ARN}:none", **params) == missing


def test_account_settings_and_concurrency(room: Room) -> None:
    created = room.create("one")
    room.create("two")
    aws = room.client()
    settings = aws.get_account_settings()
    assert settings["AccountLimit"] == {
        "TotalCodeSize": 300 * 1024**3,
        "CodeSizeUnzipped": 262_144_000,
        "CodeSizeZipped": 52_428_800,
        "ConcurrentExecutions": 1_000,
        "UnreservedConcurrentExecutions": 1_000,
    }
    assert settings["AccountUsage"] == {"TotalCodeSize": 2 * created["CodeSize"], "FunctionCount": 2}
    assert set(aws.get_function_concurrency(FunctionName="one")) == {"ResponseMetadata"}
    missing = ("ResourceNotFoundException", f"Function not found: {ARN}:none", 404)
    assert refused(aws.get_function_concurrency, FunctionName="none") == missing


def test_operations_that_are_not_there_say_so(room: Room) -> None:
    room.create()
    code, text, status = refused(room.client().get_durable_execution, DurableExecutionArn="arn:aws:lambda:x")
    assert (code, status) == ("NotImplementedException", 501)
    assert "GetDurableExecution" in text


def test_code_that_nothing_uses_is_let_go(tmp_path: Path) -> None:
    with open_room(tmp_path) as room:
        aws = room.client()
        room.create("a")
        room.create("b")
        aws.update_function_code(FunctionName="a", ZipFile=zipped({"x.py": "1"}))
        room.settle("a")
        aws.update_function_configuration(FunctionName="b", Timeout=5)
        room.settle("b")
        assert sorted(_references(tmp_path)) == [2, 2]
        aws.publish_version(FunctionName="b")
        assert sorted(_references(tmp_path)) == [2, 4]
        aws.delete_function(FunctionName="b", Qualifier="1")
        aws.delete_function(FunctionName="a")
        assert sorted(_references(tmp_path)) == [0, 2]
        aws.delete_function(FunctionName="b")
        assert sorted(_references(tmp_path)) == [0, 0]


def _references(folder: Path) -> list[int]:
    with sqlite3.connect(folder / "bulb.db") as connection:
        return [count for (count,) in connection.execute("SELECT reference_count FROM storage_blobs")]


@pytest.mark.parametrize("name", ["a b", "a/b", "", "f:g:h:i", "arn:aws:s3:::b"])
def test_names_that_are_none(room: Room, name: str) -> None:
    if name:
        code, _, status = refused(room.client().get_function, FunctionName=name)
        assert (code, status) == ("ValidationException", 400)
    assert refused(room.create, name=name)[2] == 400
