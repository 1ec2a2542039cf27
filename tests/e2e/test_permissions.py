"""Resource policies: statements to the byte, and a bucket that may invoke exactly the ARN whose policy lets it in."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.lambda_.test_permissions import STATEMENTS
from tests.support.bulb import Running
from tests.support.functions import create
from tests.support.strict import Keys
from tests.support.waiting import until

SAYING = """
    def handler(event, context):
        print("version", context.function_version, "for", context.invoked_function_arn.split(":", 6)[6])
"""


def test_a_bucket_invokes_the_alias_whose_policy_lets_it_in(strict: Running, root: Keys) -> None:
    aws, s3, logs = (strict.client(service, **root) for service in ("lambda", "s3", "logs"))
    arn = create(aws, "by-bucket", SAYING)
    aws.publish_version(FunctionName="by-bucket")
    aws.create_alias(FunctionName="by-bucket", Name="live", FunctionVersion="1")
    s3.create_bucket(Bucket="letting-in")

    def notify(target: str) -> None:
        wanted = {"LambdaFunctionArn": target, "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket="letting-in", NotificationConfiguration={"LambdaFunctionConfigurations": [wanted]}
        )

    grant = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::letting-in"}
    aws.add_permission(FunctionName="by-bucket", StatementId="bucket", **grant)
    with pytest.raises(s3.exceptions.ClientError):
        notify(f"{arn}:live")
    aws.add_permission(FunctionName="by-bucket", Qualifier="live", StatementId="bucket", **grant)
    notify(f"{arn}:live")
    s3.put_object(Bucket="letting-in", Key="k", Body=b"x")

    def said() -> list[Any]:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/by-bucket")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"].rstrip() for event in found if event["message"].startswith("version")]

    assert until(said, "the line in the log") == ["version 1 for by-bucket:live"]


def refused(operation: Any, **params: Any) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as refusal:
        operation(**params)
    response = refusal.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_each_argument_becomes_its_part_of_a_statement(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = create(aws, "policied", SAYING)
    for arguments, principal, condition in STATEMENTS:
        statement = {"Sid": "s", "Effect": "Allow", "Principal": principal, "Action": "lambda:InvokeFunction"}
        expected = {**statement, "Resource": arn, **({"Condition": condition} if condition else {})}
        added = aws.add_permission(
            FunctionName="policied", StatementId="s", Action="lambda:InvokeFunction", **arguments
        )
        assert added["Statement"] == json.dumps(expected, separators=(",", ":"))
        document = {"Version": "2012-10-17", "Id": "default", "Statement": [expected]}
        assert aws.get_policy(FunctionName="policied")["Policy"] == json.dumps(document, separators=(",", ":"))
        aws.remove_permission(FunctionName="policied", StatementId="s")


def test_qualifiers_have_policies_of_their_own(bulb: Running) -> None:
    aws = bulb.client("lambda")
    arn = create(aws, "qualified", SAYING)
    aws.publish_version(FunctionName="qualified")
    aws.create_alias(FunctionName="qualified", Name="live", FunctionVersion="1")
    grant = {"FunctionName": "qualified", "Action": "lambda:InvokeFunction", "Principal": "*"}
    nothing = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)
    remove = aws.remove_permission
    named = {"FunctionName": "qualified", "StatementId": "s"}
    assert refused(remove, FunctionName="unheard-of", StatementId="s") == (
        "ResourceNotFoundException",
        f"No policy found for: {arn.replace(':qualified', ':unheard-of')}",
        404,
    )
    assert refused(remove, **named) == (
        "ResourceNotFoundException",
        "No policy is associated with the given resource.",
        404,
    )
    aws.add_permission(**grant, StatementId="s", Qualifier="1")
    assert refused(aws.get_policy, FunctionName="qualified") == nothing
    assert refused(aws.get_policy, FunctionName="qualified", Qualifier="live") == nothing
    (statement,) = json.loads(aws.get_policy(FunctionName="qualified", Qualifier="1")["Policy"])["Statement"]
    assert statement["Resource"] == f"{arn}:1"
    aws.add_permission(**grant, StatementId="other", Qualifier="live")
    assert refused(remove, **named, Qualifier="live") == (
        "ResourceNotFoundException",
        "Statement s is not found in resource policy.",
        404,
    )
    assert refused(remove, **named, Qualifier="nowhere")[1] == f"Cannot find alias arn: {arn}:nowhere"
    aws.remove_permission(**named, Qualifier="1")
    assert refused(aws.get_policy, FunctionName="qualified", Qualifier="1") == nothing
    assert aws.get_policy(FunctionName="qualified", Qualifier="live")
