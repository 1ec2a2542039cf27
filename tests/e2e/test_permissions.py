"""Resource policies where they are enforced: a bucket may invoke exactly the ARN whose policy lets it in."""

from typing import Any

import pytest

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
