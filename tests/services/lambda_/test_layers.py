"""Layers: versions, lists, permissions and what functions may ask for, in AWS's words."""

import base64
import hashlib
import json
import urllib.request
from typing import Any

import pytest
from sqlalchemy import select

from bulb.storage.schema.storage import storage_blobs
from tests.services.lambda_.room import Room, zipped
from tests.services.lambda_.test_refusals import refused

LAYER = "arn:aws:lambda:us-east-1:000000000000:layer"
OTHER = "111122223333"
INVALID, MISSING, CONFLICT = "InvalidParameterValueException", "ResourceNotFoundException", "ResourceConflictException"


def publish(room: Room, name: str = "l", **further: Any) -> dict[str, Any]:
    package = zipped({"python/helper.py": "x = 1"})
    published: dict[str, Any] = room.client().publish_layer_version(
        **{"LayerName": name, "Content": {"ZipFile": package}, **further}
    )
    return published


def stranger(room: Room) -> Any:
    return room.client(access_key=OTHER)


def test_what_is_published_is_shown_and_can_be_downloaded(room: Room) -> None:
    package = zipped({"python/helper.py": "x = 1"})
    given = {
        "Description": "d",
        "LicenseInfo": "MIT",
        "CompatibleRuntimes": ["python3.12", "python3.11"],
        "CompatibleArchitectures": ["x86_64"],
    }
    published = publish(room, Content={"ZipFile": package}, **given)
    assert published["ResponseMetadata"]["HTTPStatusCode"] == 201
    shown = room.client().get_layer_version(LayerName="l", VersionNumber=1)
    by_arn = room.client().get_layer_version_by_arn(Arn=f"{LAYER}:l:1")
    by_full_name = room.client().get_layer_version(LayerName=f"{LAYER}:l", VersionNumber=1)
    for answer in (published, shown, by_arn, by_full_name):
        assert {name: answer[name] for name in given} == given
        assert (answer["LayerArn"], answer["LayerVersionArn"]) == (f"{LAYER}:l", f"{LAYER}:l:1")
        assert answer["Version"] == 1
        assert answer["CreatedDate"].endswith("+0000")
        assert answer["Content"]["CodeSize"] == len(package)
        assert answer["Content"]["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
        with urllib.request.urlopen(answer["Content"]["Location"]) as download:
            assert download.read() == package


def test_numbers_are_never_used_twice(room: Room) -> None:
    aws = room.client()
    assert [publish(room)["Version"], publish(room)["Version"]] == [1, 2]
    for number in (1, 2, 2, 7):
        assert (
            aws.delete_layer_version(LayerName="l", VersionNumber=number)["ResponseMetadata"]["HTTPStatusCode"] == 204
        )
    assert refused(aws.get_layer_version, LayerName="l", VersionNumber=2) == (
        MISSING,
        "The resource you requested does not exist.",
        404,
    )
    assert aws.list_layers()["Layers"] == []
    assert publish(room)["Version"] == 3


def test_lists_filter_and_page(room: Room) -> None:
    aws = room.client()
    for _ in range(3):
        publish(room, "b", CompatibleRuntimes=["python3.12"])
    publish(room, "b", CompatibleRuntimes=["nodejs22.x"], CompatibleArchitectures=["arm64"])
    publish(room, "a")
    names = [(each["LayerName"], each["LatestMatchingVersion"]["Version"]) for each in aws.list_layers()["Layers"]]
    assert names == [("a", 1), ("b", 4)]
    fitting = aws.list_layers(CompatibleRuntime="python3.12")["Layers"]
    assert [(each["LayerArn"], each["LatestMatchingVersion"]["Version"]) for each in fitting] == [(f"{LAYER}:b", 3)]
    assert aws.list_layers(CompatibleArchitecture="arm64")["Layers"][0]["LatestMatchingVersion"]["Version"] == 4
    pages = aws.get_paginator("list_layers").paginate(PaginationConfig={"PageSize": 1})
    assert [each["LayerName"] for page in pages for each in page["Layers"]] == ["a", "b"]
    pages = aws.get_paginator("list_layer_versions").paginate(LayerName="b", PaginationConfig={"PageSize": 3})
    assert [[each["Version"] for each in page["LayerVersions"]] for page in pages] == [[4, 3, 2], [1]]
    found = aws.list_layer_versions(LayerName="b", CompatibleRuntime="python3.12")["LayerVersions"]
    assert [each["Version"] for each in found] == [3, 2, 1]
    assert aws.list_layer_versions(LayerName="none")["LayerVersions"] == []


def test_the_policy_of_a_version(room: Room) -> None:
    aws = room.client()
    publish(room)
    version = {"LayerName": "l", "VersionNumber": 1}
    given = {"StatementId": "s1", "Action": "lambda:GetLayerVersion", "Principal": OTHER}
    none = (MISSING, "No policy is associated with the given resource.", 404)
    assert refused(aws.get_layer_version_policy, **version) == none
    added = aws.add_layer_version_permission(**version, **given)
    assert added["Statement"] == (
        '{"Sid":"s1","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},'
        f'"Action":"lambda:GetLayerVersion","Resource":"{LAYER}:l:1"}}'
    )
    shown = aws.get_layer_version_policy(**version)
    assert shown["RevisionId"] == added["RevisionId"]
    assert json.loads(shown["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [json.loads(added["Statement"])],
    }
    assert refused(aws.add_layer_version_permission, **version, **given) == (
        CONFLICT,
        "The statement id (s1) provided already exists. "
        "Please provide a new statement id, or remove the existing statement.",
        409,
    )
    stale = (
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        "Call the GetLayerPolicy API to retrieve the latest Revision Id",
        412,
    )
    more = {**given, "StatementId": "s2", "Principal": "*", "OrganizationId": "o-0123456789"}
    assert refused(aws.add_layer_version_permission, **version, **more, RevisionId="x") == stale
    again = aws.add_layer_version_permission(**version, **more, RevisionId=added["RevisionId"])
    written = json.loads(again["Statement"])
    assert (written["Principal"], written["Condition"]) == (
        "*",
        {"StringEquals": {"aws:PrincipalOrgID": "o-0123456789"}},
    )
    assert refused(aws.remove_layer_version_permission, **version, StatementId="s1", RevisionId="x") == stale
    assert refused(aws.remove_layer_version_permission, **version, StatementId="s3") == (
        MISSING,
        "Statement s3 is not found in resource policy.",
        404,
    )
    for sid in ("s1", "s2"):
        removed = aws.remove_layer_version_permission(**version, StatementId=sid)
        assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert refused(aws.get_layer_version_policy, **version) == none
    missing = (MISSING, f"Layer version {LAYER}:l:9 does not exist.", 404)
    assert refused(aws.add_layer_version_permission, LayerName="l", VersionNumber=9, **given) == missing


def test_other_accounts_need_a_permission(room: Room) -> None:
    aws, other = room.client(), stranger(room)
    publish(room)
    arn = f"{LAYER}:l:1"
    denied = (
        "AccessDeniedException",
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: lambda:GetLayerVersion on resource: {arn} "
        "because no resource-based policy allows the lambda:GetLayerVersion action",
        403,
    )
    params = {
        "FunctionName": "theirs",
        "Runtime": "python3.12",
        "Role": f"arn:aws:iam::{OTHER}:role/r",
        "Handler": "app.handler",
        "Code": {"ZipFile": zipped()},
        "Layers": [arn],
    }
    version = {"LayerName": "l", "VersionNumber": 1, "Action": "lambda:GetLayerVersion"}
    aws.add_layer_version_permission(**version, StatementId="o", Principal="*", OrganizationId="o-0123456789")
    aws.add_layer_version_permission(**version, StatementId="n", Principal="444455556666")
    assert refused(other.get_layer_version_by_arn, Arn=arn) == denied
    assert refused(other.create_function, **params) == denied
    aws.add_layer_version_permission(**version, StatementId="s", Principal=OTHER)
    assert other.get_layer_version_by_arn(Arn=arn)["LayerVersionArn"] == arn
    assert other.create_function(**params)["Layers"][0]["Arn"] == arn
    assert refused(other.delete_layer_version, LayerName=f"{LAYER}:l", VersionNumber=1)[0] == "AccessDeniedException"


def test_what_functions_may_not_ask_for(room: Room) -> None:
    for name in ("l", "m"):
        publish(room, name)
        publish(room, name)
    room.create()
    elsewhere = "arn:aws:lambda:eu-west-1:000000000000:layer:l:1"
    cases = [
        ([f"{LAYER}:l{n}:1" for n in range(6)], "Cannot reference more than 5 layers."),
        (
            [f"{LAYER}:l:1", f"{LAYER}:m:1", f"{LAYER}:l:2"],
            "Two different versions of the same layer are not allowed to be referenced in the same function. "
            f"{LAYER}:l:1 and {LAYER}:l:2 are versions of the same layer.",
        ),
        (
            [elsewhere],
            "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.",
        ),
        ([f"{LAYER}:l:0"], "Layer Version Cannot be less than 1"),
        ([f"{LAYER}:l:3"], f"Layer version {LAYER}:l:3 does not exist."),
    ]
    for arns, text in cases:
        assert refused(room.create, name="new", Layers=arns) == (INVALID, text, 400)
        update = room.client().update_function_configuration
        assert refused(update, FunctionName="f", Layers=arns) == (INVALID, text, 400)
    assert "Layers" not in room.client().get_function_configuration(FunctionName="f")
    for number in (0, -1):
        assert refused(room.client().get_layer_version, LayerName="l", VersionNumber=number)[:2] == (
            INVALID,
            "Layer Version Cannot be less than 1",
        )


def test_code_and_layers_together_have_a_limit(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bulb.services.lambda_.attached.UNZIPPED_CODE_BYTES", 1_000)
    publish(room, Content={"ZipFile": zipped({"a": "x" * 600, "b/c": "y" * 300})})
    too_much = (
        INVALID,
        "Function code combined with layers exceeds the maximum allowed size of 1000 bytes. "
        "The actual size is 1001 bytes.",
        400,
    )
    code, fits = {"ZipFile": zipped({"app.py": "z" * 101})}, zipped({"app.py": "z" * 100})
    layers = {"Layers": [f"{LAYER}:l:1"]}
    assert refused(room.create, Code=code, **layers) == too_much
    room.create(Code=code)
    assert refused(room.client().update_function_configuration, FunctionName="f", **layers) == too_much
    room.create("g", Code={"ZipFile": fits}, **layers)
    assert refused(room.client().update_function_code, FunctionName="g", **code) == too_much


def test_layers_count_as_code(room: Room) -> None:
    size = publish(room)["Content"]["CodeSize"]
    publish(room)
    usage = room.client().get_account_settings()["AccountUsage"]
    assert usage == {"TotalCodeSize": 2 * size, "FunctionCount": 0}
    room.client().delete_layer_version(LayerName="l", VersionNumber=1)
    assert room.client().get_account_settings()["AccountUsage"]["TotalCodeSize"] == size


def test_from_a_bucket_and_without_a_source(room: Room) -> None:
    package = zipped({"python/x.py": ""})
    room.bucket.objects["bucket", "k", None] = package
    published = publish(room, Content={"S3Bucket": "bucket", "S3Key": "k"})
    assert published["Content"]["CodeSize"] == len(package)
    assert refused(publish, room=room, Content={"ZipFile": b"no zip"})[:2] == (
        INVALID,
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )


def test_a_zip_is_held_as_long_as_somebody_needs_it(room: Room) -> None:
    aws = room.client()
    content = publish(room)["Content"]
    digest = base64.b64decode(content["CodeSha256"]).hex()

    def references() -> int:
        query = select(storage_blobs.c.reference_count).where(storage_blobs.c.digest == digest)
        count: int = room.run(room.opened["database"].read(lambda connection: connection.execute(query).scalar_one()))
        return count

    assert references() == 1
    room.create(Layers=[f"{LAYER}:l:1"])
    assert references() == 3  # the version, what the function shows and what it runs
    aws.publish_version(FunctionName="f")
    assert references() == 5
    aws.delete_layer_version(LayerName="l", VersionNumber=1)
    assert references() == 4
    aws.update_function_configuration(FunctionName="f", Layers=[])
    room.settle("f")
    assert references() == 2
    assert digest in room.run(room.opened["store"].codes_in_use())
    aws.delete_function(FunctionName="f")
    assert references() == 0
    assert digest not in room.run(room.opened["store"].codes_in_use())
