"""The main paths on PostgreSQL: one server, real handlers, and a server that is killed."""

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.storage.postgresql import new_database
from tests.support.bulb import Process, Running, running_bulb
from tests.support.functions import PYTHON, create, invoke, zipped
from tests.support.waiting import until

HANDLER = """
    def handler(event, context):
        if event.get("fail"):
            raise ValueError("as asked")
        return {"version": context.function_version, "event": event}
"""
EVERY_CHARACTER = "a\0\x01\u00fc\U0001f600"


@pytest.fixture(scope="module")
def server(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("postgresql") / "data"
    with running_bulb(data, database=new_database(postgresql_server)) as bulb:
        yield bulb


@pytest.fixture(scope="module")
def aws(server: Running) -> Any:
    return server.client("lambda")


def test_versions_aliases_and_their_policies(aws: Any) -> None:
    create(aws, "told", HANDLER)
    for number in range(1, 12):
        aws.update_function_configuration(FunctionName="told", Description=f"{number}")
        aws.get_waiter("function_updated_v2").wait(FunctionName="told", WaiterConfig={"Delay": 0.05})
        aws.publish_version(FunctionName="told")
    numbers = [version["Version"] for version in aws.list_versions_by_function(FunctionName="told")["Versions"]]
    assert numbers == ["$LATEST", *map(str, range(1, 12))]
    for name in ("b", "B", "a"):
        aws.create_alias(FunctionName="told", Name=name, FunctionVersion="11", Description=EVERY_CHARACTER)
    listed = aws.list_aliases(FunctionName="told")["Aliases"]
    assert [(alias["Name"], alias["Description"]) for alias in listed] == [
        (n, EVERY_CHARACTER) for n in ("B", "a", "b")
    ]
    aws.update_alias(FunctionName="told", Name="a", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})
    assert invoke(aws, "told:a")[0]["version"] == "2"
    aws.add_permission(
        FunctionName="told", Qualifier="a", StatementId="s", Action="lambda:InvokeFunction", Principal="*"
    )
    assert json.loads(aws.get_policy(FunctionName="told", Qualifier="a")["Policy"])["Statement"][0]["Sid"] == "s"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.get_policy(FunctionName="told")


def test_layers(aws: Any) -> None:
    for text in ("one", "two"):
        published = aws.publish_layer_version(
            LayerName="shared",
            Description=EVERY_CHARACTER,
            Content={"ZipFile": zipped(**{"python/shared": f"TEXT = '{text}'"})},
        )
    source = "import shared\ndef handler(event, context):\n    return shared.TEXT\n"
    create(aws, "layered", source, Layers=[published["LayerVersionArn"]])
    assert invoke(aws, "layered")[0] == "two"
    versions = aws.list_layer_versions(LayerName="shared")["LayerVersions"]
    assert [(each["Version"], each["Description"]) for each in versions] == [(2, EVERY_CHARACTER), (1, EVERY_CHARACTER)]
    aws.delete_layer_version(LayerName="shared", VersionNumber=2)
    assert invoke(aws, "layered")[0] == "two"
    for beyond in (2**31, 2**62):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            aws.get_layer_version(LayerName="shared", VersionNumber=beyond)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.get_layer_version_by_arn(Arn=published["LayerVersionArn"].rpartition(":")[0] + ":" + "9" * 25)


def test_concurrency(aws: Any) -> None:
    create(aws, "limited", HANDLER, Publish=True)
    aws.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=2)
    aws.put_provisioned_concurrency_config(FunctionName="limited", Qualifier="1", ProvisionedConcurrentExecutions=1)

    def ready() -> bool:
        found = aws.get_provisioned_concurrency_config(FunctionName="limited", Qualifier="1")
        return bool(found["Status"] == "READY")

    until(ready, "the provisioned environment")
    assert invoke(aws, "limited:1")[0]["version"] == "1"
    aws.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=1)
    assert aws.get_function_concurrency(FunctionName="limited")["ReservedConcurrentExecutions"] == 1
    aws.delete_provisioned_concurrency_config(FunctionName="limited", Qualifier="1")
    aws.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        invoke(aws, "limited")


def test_events_end_where_they_are_told_to(server: Running, aws: Any) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="ends")
    create(aws, "ending", HANDLER)
    noting = create(aws, "noting", "def handler(event, context):\n    print('noted', event['requestPayload'])\n")
    aws.put_function_event_invoke_config(
        FunctionName="ending",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnSuccess": {"Destination": noting}, "OnFailure": {"Destination": "arn:aws:s3:::ends"}},
    )
    aws.put_function_recursion_config(FunctionName="ending", RecursiveLoop="Allow")
    for fail in (False, True):
        invoke(aws, "ending", {"fail": fail, "text": "\0"}, InvocationType="Event")
    [end] = until(lambda: s3.list_objects_v2(Bucket="ends").get("Contents"), "the end of the failing event")
    record = json.loads(s3.get_object(Bucket="ends", Key=end["Key"])["Body"].read())
    assert record["requestPayload"] == {"fail": True, "text": "\0"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    question = {"logGroupName": "/aws/lambda/noting", "filterPattern": "noted"}
    logs = server.client("logs")

    def noted() -> list[Any]:
        with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
            return logs.filter_log_events(**question)["events"]
        return []

    [line] = until(noted, "the end of the other event")
    assert "'fail': False" in line["message"]
    assert aws.get_function_recursion_config(FunctionName="ending")["RecursiveLoop"] == "Allow"


def test_urls_code_signing_and_mappings(aws: Any) -> None:
    arn = create(aws, "open", HANDLER)
    url = aws.create_function_url_config(FunctionName="open", AuthType="NONE", Cors={"AllowOrigins": ["*"]})
    assert (
        aws.list_function_url_configs(FunctionName="open")["FunctionUrlConfigs"][0]["FunctionUrl"]
        == (url["FunctionUrl"])
    )
    profile = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/x/abcdefghij"
    config = aws.create_code_signing_config(
        Description=EVERY_CHARACTER, AllowedPublishers={"SigningProfileVersionArns": [profile]}
    )["CodeSigningConfig"]
    aws.put_function_code_signing_config(FunctionName="open", CodeSigningConfigArn=config["CodeSigningConfigArn"])
    shown = aws.list_functions_by_code_signing_config(CodeSigningConfigArn=config["CodeSigningConfigArn"])
    assert shown["FunctionArns"] == [arn]
    with pytest.raises(ClientError, match="ResourceConflictException"):
        aws.delete_code_signing_config(CodeSigningConfigArn=config["CodeSigningConfigArn"])
    aws.delete_function_code_signing_config(FunctionName="open")
    aws.delete_code_signing_config(CodeSigningConfigArn=config["CodeSigningConfigArn"])
    assert aws.list_event_source_mappings(FunctionName="open")["EventSourceMappings"] == []


def test_a_function_goes_with_all_it_has(server: Running, aws: Any) -> None:
    create(aws, "going", HANDLER, Publish=True)
    aws.create_alias(FunctionName="going", Name="live", FunctionVersion="1")
    aws.create_function_url_config(FunctionName="going", Qualifier="live", AuthType="NONE")
    aws.put_function_event_invoke_config(FunctionName="going", Qualifier="live", MaximumRetryAttempts=1)
    aws.put_function_recursion_config(FunctionName="going", RecursiveLoop="Allow")
    aws.add_permission(FunctionName="going", StatementId="s", Action="lambda:InvokeFunction", Principal="*")
    aws.put_function_concurrency(FunctionName="going", ReservedConcurrentExecutions=1)
    aws.delete_function(FunctionName="going")
    create(aws, "going", HANDLER)
    assert aws.list_aliases(FunctionName="going")["Aliases"] == []
    assert "ReservedConcurrentExecutions" not in aws.get_function_concurrency(FunctionName="going")
    assert aws.publish_version(FunctionName="going")["Version"] == "1"


def test_objects_and_the_bill(server: Running, aws: Any) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="listed")
    keys = ["B", "a", "a/1", "b", "\u00fc", "\U0001f600"]
    for key in reversed(keys):
        s3.put_object(Bucket="listed", Key=key, Body=key.encode())
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="listed")["Contents"]] == keys
    assert "Contents" not in s3.list_objects_v2(Bucket="listed", Prefix="a\0")
    upload = s3.create_multipart_upload(Bucket="listed", Key="parts")["UploadId"]
    assert "Parts" not in s3.list_parts(Bucket="listed", Key="parts", UploadId=upload, PartNumberMarker=2**31)
    create(aws, "billed", HANDLER)
    invoke(aws, "billed")

    def billed() -> bool:
        with urllib.request.urlopen(f"{server.url}/_bulb/bill") as answer:
            return any(line["function"] == "billed" for line in json.load(answer)["lines"])

    until(billed, "the bill")


def test_nothing_answered_is_lost_by_a_kill(postgresql_server: str, tmp_path: Path) -> None:
    process = Process(tmp_path / "data", "--database", new_database(postgresql_server))
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        process.start()
        aws, s3 = process.client("lambda"), process.client("s3")
        s3.create_bucket(Bucket="ends")
        create(aws, "kept", HANDLER, Runtime=PYTHON, Publish=True)
        aws.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
        target = {"OnFailure": {"Destination": "arn:aws:s3:::ends"}}
        aws.put_function_event_invoke_config(FunctionName="kept", MaximumRetryAttempts=0, DestinationConfig=target)
        for number in range(20):
            invoke(aws, "kept", {"fail": True, "number": number}, InvocationType="Event")
        process.kill()
        process.start()
        aws, s3 = process.client("lambda"), process.client("s3")
        assert invoke(aws, "kept:live")[0]["version"] == "1"

        def told() -> set[int]:
            found = s3.list_objects_v2(Bucket="ends").get("Contents", [])
            bodies = [s3.get_object(Bucket="ends", Key=each["Key"])["Body"].read() for each in found]
            return {json.loads(body)["requestPayload"]["number"] for body in bodies}

        until(lambda: told() == set(range(20)), "the ends of all events", 90, every=0.2)
        assert process.stop() == 0
