"""What each operation asks of policies: by name, and for whatever parameters a client may send."""

import asyncio
import base64
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from hypothesis import HealthCheck, Phase, given, settings

from bulb.core.calls import Call, Caller
from bulb.core.errors import AwsError
from bulb.identity.needs import Need, Needs, of_operation
from bulb.services.iam.api import Iam
from bulb.services.iam.needs import IamNeeds
from bulb.services.lambda_ import needs as lambda_needs
from bulb.services.lambda_.api import LambdaApi
from bulb.services.logs.api import Logs
from bulb.services.logs.needs import needs as logs_needs
from bulb.services.s3 import S3Api
from bulb.services.s3 import needs as s3_needs
from bulb.services.scheduler import SchedulerApi
from bulb.services.scheduler import needs as scheduler_needs
from bulb.services.sns import SnsApi
from bulb.services.sns import needs as sns_needs
from bulb.services.sqs import SqsApi
from bulb.services.sqs import needs as sqs_needs
from bulb.services.sts.api import Sts
from bulb.services.sts.needs import needs as sts_needs
from tests.support import plausible
from tests.wire.clients import model

HOME, OTHER = "000000000000", "111122223333"
ME = f"arn:aws:iam::{HOME}:user/ann"
FUNCTION = f"arn:aws:lambda:us-east-1:{HOME}:function:f"
LAYER = f"arn:aws:lambda:us-east-1:{HOME}:layer:l"
GROUP = f"arn:aws:logs:us-east-1:{HOME}:log-group:g"
ROLE = f"arn:aws:iam::{HOME}:role/r"
QUEUE = f"arn:aws:sqs:us-east-1:{HOME}:q"
QUEUE_URL = f"https://sqs.us-east-1.amazonaws.com/{HOME}/q"
TASK = base64.b64encode(f'{{"taskId": "t", "sourceArn": "{QUEUE}"}}'.encode()).decode()
CLOCK = f"arn:aws:scheduler:us-east-1:{HOME}"
TOPIC = f"arn:aws:sns:us-east-1:{HOME}:t"


class _Empty:
    """A database with nobody in it."""

    async def read(self, function: Any) -> Any:
        connection = SimpleNamespace(execute=lambda query: SimpleNamespace(one_or_none=lambda: None))
        return function(connection)


NEEDS: dict[str, Needs] = {
    "lambda": lambda_needs,
    "s3": s3_needs,
    "logs": logs_needs,
    "iam": IamNeeds(_Empty()),  # type: ignore[arg-type]
    "sts": sts_needs,
    "sns": sns_needs,
    "sqs": sqs_needs,
    "scheduler": scheduler_needs,
}


def asked(service: str, operation: str, **params: Any) -> Sequence[Need]:
    call = Call(
        service=service,
        operation=operation,
        params=params,
        caller=Caller(HOME, "AKIA", ME, "AIDA"),
        region="us-east-1",
        request_id="r",
        now=0.0,
        headers={},
        base_url="http://localhost",
    )
    return asyncio.run(_asked(call))


async def _asked(call: Call) -> Sequence[Need]:
    return await NEEDS.get(call.service, of_operation)(call)


CASES: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    ("lambda", "Invoke", {"FunctionName": "f"}, [("lambda:InvokeFunction", FUNCTION)]),
    ("lambda", "InvokeAsync", {"FunctionName": "f"}, [("lambda:InvokeFunction", FUNCTION)]),
    (
        "lambda",
        "InvokeWithResponseStream",
        {"FunctionName": "f", "Qualifier": "live"},
        [("lambda:InvokeFunction", f"{FUNCTION}:live")],
    ),
    ("lambda", "Invoke", {"FunctionName": f"{FUNCTION}:7"}, [("lambda:InvokeFunction", f"{FUNCTION}:7")]),
    ("lambda", "GetFunction", {"FunctionName": f"{HOME}:function:f"}, [("lambda:GetFunction", FUNCTION)]),
    ("lambda", "GetAlias", {"FunctionName": "f", "Name": "live"}, [("lambda:GetAlias", FUNCTION)]),
    ("lambda", "ListFunctions", {}, [("lambda:ListFunctions", "*")]),
    ("lambda", "GetAccountSettings", {}, [("lambda:GetAccountSettings", "*")]),
    ("lambda", "ListTags", {"Resource": FUNCTION}, [("lambda:ListTags", FUNCTION)]),
    (
        "lambda",
        "UpdateFunctionCode",
        {"FunctionName": "f", "S3Bucket": "b", "S3Key": "k", "S3ObjectVersion": "1"},
        [("lambda:UpdateFunctionCode", FUNCTION), ("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
    ),
    (
        "lambda",
        "CreateFunction",
        {"FunctionName": "f", "Role": ROLE, "Layers": [f"{LAYER}:1"], "Code": {"S3Bucket": "b", "S3Key": "k"}},
        [
            ("lambda:CreateFunction", FUNCTION),
            ("iam:PassRole", ROLE),
            ("lambda:GetLayerVersion", f"{LAYER}:1"),
            ("s3:GetObject", "arn:aws:s3:::b/k"),
        ],
    ),
    ("lambda", "PublishLayerVersion", {"LayerName": "l", "Content": {}}, [("lambda:PublishLayerVersion", LAYER)]),
    ("lambda", "ListLayerVersions", {"LayerName": "l"}, [("lambda:ListLayerVersions", LAYER)]),
    (
        "lambda",
        "GetLayerVersion",
        {"LayerName": "l", "VersionNumber": 2},
        [("lambda:GetLayerVersion", f"{LAYER}:2")],
    ),
    ("lambda", "GetLayerVersionByArn", {"Arn": f"{LAYER}:2"}, [("lambda:GetLayerVersion", f"{LAYER}:2")]),
    (
        "lambda",
        "DeleteEventSourceMapping",
        {"UUID": "u"},
        [("lambda:DeleteEventSourceMapping", f"arn:aws:lambda:us-east-1:{HOME}:event-source-mapping:u")],
    ),
    (
        "lambda",
        "PutResourcePolicy",
        {"ResourceArn": FUNCTION, "Policy": "{}"},
        [(f"lambda:{action}", FUNCTION) for action in ("PutResourcePolicy", "AddPermission", "RemovePermission")],
    ),
    (
        "lambda",
        "PutFunctionCodeSigningConfig",
        {"FunctionName": "f", "CodeSigningConfigArn": "arn:csc"},
        [("lambda:PutFunctionCodeSigningConfig", FUNCTION), ("lambda:PutFunctionCodeSigningConfig", "arn:csc")],
    ),
    ("s3", "GetObject", {"Bucket": "b", "Key": "a/k"}, [("s3:GetObject", "arn:aws:s3:::b/a/k")]),
    ("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
    (
        "s3",
        "GetObject",
        {"Bucket": "b", "Key": "k", "VersionId": "1"},
        [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
    ),
    ("s3", "HeadBucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
    ("s3", "ListBuckets", {}, [("s3:ListAllMyBuckets", "arn:aws:s3:::*")]),
    (
        "s3",
        "CopyObject",
        {"Bucket": "b", "Key": "k", "CopySource": "/c/d%20e?versionId=1"},
        [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObjectVersion", "arn:aws:s3:::c/d e")],
    ),
    (
        "s3",
        "PutObject",
        {"Bucket": "b", "Key": "k", "Tagging": "a=b"},
        [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:PutObjectTagging", "arn:aws:s3:::b/k")],
    ),
    (
        "s3",
        "DeleteObjects",
        {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "1"}]}},
        [("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/l")],
    ),
    (
        "s3",
        "PutBucketNotificationConfiguration",
        {"Bucket": "b"},
        [("s3:PutBucketNotification", "arn:aws:s3:::b")],
    ),
    ("s3", "PostObject", {"Bucket": "b"}, []),
    (
        "logs",
        "PutLogEvents",
        {"logGroupName": "g", "logStreamName": "s"},
        [("logs:PutLogEvents", f"{GROUP}:log-stream:s")],
    ),
    ("logs", "FilterLogEvents", {"logGroupName": "g"}, [("logs:FilterLogEvents", f"{GROUP}:log-stream:")]),
    (
        "logs",
        "FilterLogEvents",
        {"logGroupIdentifier": f"{GROUP}:*"},
        [("logs:FilterLogEvents", f"{GROUP}:log-stream:")],
    ),
    ("logs", "TagResource", {"resourceArn": GROUP}, [("logs:TagResource", GROUP)]),
    ("iam", "GetRole", {"RoleName": "r"}, [("iam:GetRole", ROLE)]),
    ("iam", "CreateUser", {"UserName": "x", "Path": "/a/"}, [("iam:CreateUser", f"arn:aws:iam::{HOME}:user/a/x")]),
    ("iam", "GetUser", {}, [("iam:GetUser", ME)]),
    ("iam", "ListRoles", {}, [("iam:ListRoles", f"arn:aws:iam::{HOME}:role/")]),
    ("iam", "AttachRolePolicy", {"RoleName": "r", "PolicyArn": "arn:p"}, [("iam:AttachRolePolicy", ROLE)]),
    ("iam", "GetPolicy", {"PolicyArn": "arn:p"}, [("iam:GetPolicy", "arn:p")]),
    ("sts", "GetCallerIdentity", {}, []),
    ("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "s"}, [("sts:AssumeRole", ROLE)]),
    ("sns", "Publish", {"TopicArn": TOPIC}, [("sns:Publish", TOPIC)]),
    ("sns", "Publish", {"TargetArn": TOPIC}, [("sns:Publish", TOPIC)]),
    ("sns", "Publish", {"PhoneNumber": "+15551234567"}, [("sns:Publish", "*")]),
    ("sns", "PublishBatch", {"TopicArn": TOPIC}, [("sns:Publish", TOPIC)]),
    ("sns", "CreateTopic", {"Name": "t"}, [("sns:CreateTopic", TOPIC)]),
    (
        "sns",
        "CreateTopic",
        {"Name": "t", "Tags": [{"Key": "k", "Value": "v"}]},
        [("sns:CreateTopic", TOPIC), ("sns:TagResource", TOPIC)],
    ),
    ("sns", "TagResource", {"ResourceArn": TOPIC}, [("sns:TagResource", TOPIC)]),
    ("sns", "Unsubscribe", {"SubscriptionArn": f"{TOPIC}:1"}, [("sns:Unsubscribe", "*")]),
    ("sns", "ListTopics", {}, [("sns:ListTopics", "*")]),
    ("sqs", "SendMessage", {"QueueUrl": QUEUE_URL}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "SendMessageBatch", {"QueueUrl": f"/{HOME}/q"}, [("sqs:SendMessage", QUEUE)]),
    ("sqs", "DeleteMessageBatch", {"QueueUrl": QUEUE_URL}, [("sqs:DeleteMessage", QUEUE)]),
    ("sqs", "ChangeMessageVisibilityBatch", {"QueueUrl": QUEUE_URL}, [("sqs:ChangeMessageVisibility", QUEUE)]),
    ("sqs", "ListQueues", {}, [("sqs:ListQueues", f"arn:aws:sqs:us-east-1:{HOME}:*")]),
    ("sqs", "GetQueueUrl", {"QueueName": "q"}, [("sqs:GetQueueUrl", QUEUE)]),
    (
        "sqs",
        "GetQueueUrl",
        {"QueueName": "q", "QueueOwnerAWSAccountId": OTHER},
        [("sqs:GetQueueUrl", QUEUE.replace(HOME, OTHER))],
    ),
    ("sqs", "CreateQueue", {"QueueName": "q"}, [("sqs:CreateQueue", QUEUE)]),
    (
        "sqs",
        "CreateQueue",
        {"QueueName": "q", "tags": {"a": "b"}},
        [("sqs:CreateQueue", QUEUE), ("sqs:TagQueue", QUEUE)],
    ),
    (
        "sqs",
        "StartMessageMoveTask",
        {"SourceArn": QUEUE, "DestinationArn": f"{QUEUE}2"},
        [
            *(
                (f"sqs:{action}", QUEUE)
                for action in ("StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
            ),
            ("sqs:SendMessage", f"{QUEUE}2"),
        ],
    ),
    ("sqs", "CancelMessageMoveTask", {"TaskHandle": TASK}, [("sqs:CancelMessageMoveTask", QUEUE)]),
    ("sqs", "CancelMessageMoveTask", {"TaskHandle": "x"}, [("sqs:CancelMessageMoveTask", "*")]),
    (
        "scheduler",
        "CreateSchedule",
        {"Name": "s", "Target": {"Arn": FUNCTION, "RoleArn": ROLE}},
        [("scheduler:CreateSchedule", f"{CLOCK}:schedule/default/s"), ("iam:PassRole", ROLE)],
    ),
    (
        "scheduler",
        "GetSchedule",
        {"Name": "s", "GroupName": "g"},
        [("scheduler:GetSchedule", f"{CLOCK}:schedule/g/s")],
    ),
    ("scheduler", "ListSchedules", {"GroupName": "g"}, [("scheduler:ListSchedules", "*")]),
    (
        "scheduler",
        "DeleteScheduleGroup",
        {"Name": "g"},
        [("scheduler:DeleteScheduleGroup", f"{CLOCK}:schedule-group/g")],
    ),
    (
        "scheduler",
        "ListTagsForResource",
        {"ResourceArn": f"{CLOCK}:schedule-group/g"},
        [("scheduler:ListTagsForResource", f"{CLOCK}:schedule-group/g")],
    ),
    ("ec2", "RunInstances", {}, [("ec2:RunInstances", "*")]),
]


@pytest.mark.parametrize(("service", "operation", "params", "needs"), CASES)
def test_actions_and_resources(
    service: str, operation: str, params: dict[str, Any], needs: list[tuple[str, str]]
) -> None:
    assert [(need.action, need.resource) for need in asked(service, operation, **params)] == needs


def test_condition_keys_of_services() -> None:
    keys = asked("lambda", "AddPermission", FunctionName="f", Principal="s3.amazonaws.com")[0].context
    assert keys == {"lambda:principal": "s3.amazonaws.com"}
    keys = asked("lambda", "CreateEventSourceMapping", FunctionName="f")[0].context
    assert keys == {"lambda:functionarn": FUNCTION}
    created = asked("lambda", "CreateFunction", FunctionName="f", Role=ROLE, Layers=["a", "b"], Code={})
    assert created[0].context == {"lambda:layer": ["a", "b"]}
    assert created[1].context == {"iam:passedtoservice": "lambda.amazonaws.com"}
    keys = asked("s3", "ListObjectsV2", Bucket="b", Prefix="p", MaxKeys=3)[0].context
    assert keys == {"s3:prefix": "p", "s3:max-keys": "3"}
    assert asked("iam", "AttachRolePolicy", RoleName="r", PolicyArn="arn:p")[0].context == {"iam:policyarn": "arn:p"}


def test_other_ways_to_write_an_arn_are_the_same_arn() -> None:
    for name in ("f", FUNCTION, FUNCTION.replace("arn:aws:", "arn:aws-cn:"), "function:f", f"{HOME}:function:f"):
        assert asked("lambda", "GetFunction", FunctionName=name)[0].resource == FUNCTION
    for operation, name in (("ListTags", "Resource"), ("GetResourcePolicy", "ResourceArn")):
        for arn in (FUNCTION, FUNCTION.replace("arn:aws:", "arn:aws-cn:")):
            assert asked("lambda", operation, **{name: arn})[0].resource == FUNCTION
    layer = f"{LAYER}:2".replace("arn:aws:", "arn:aws-cn:")
    assert asked("lambda", "GetLayerVersionByArn", Arn=layer)[0].resource == f"{LAYER}:2"
    group = f"{GROUP}:*".replace("arn:aws:", "arn:aws-cn:")
    assert asked("logs", "GetLogEvents", logGroupIdentifier=group)[0].resource == f"{GROUP}:log-stream:"
    assert asked("logs", "TagResource", resourceArn=group)[0].resource == GROUP
    for url in (QUEUE_URL, f"https://us-east-1.queue.amazonaws.com/{HOME}/q", f"http://x/queue/us-east-1/{HOME}/q/"):
        assert asked("sqs", "SendMessage", QueueUrl=url)[0].resource == QUEUE
    queue = QUEUE.replace("arn:aws:", "arn:aws-cn:")
    assert asked("sqs", "StartMessageMoveTask", SourceArn=queue)[0].resource == QUEUE


def test_only_some_operations_reach_into_another_account() -> None:
    there = FUNCTION.replace(HOME, OTHER)
    need = asked("lambda", "Invoke", FunctionName=there)[0]
    assert (need.resource, need.owner(HOME), need.acts_there) == (there, OTHER, True)
    for operation in ("SendMessage", "ReceiveMessage", "DeleteMessage", "SetQueueAttributes", "DeleteQueue"):
        need = asked("sqs", operation, QueueUrl=QUEUE_URL.replace(HOME, OTHER))[0]
        assert (need.owner(HOME), need.acts_there) == (OTHER, operation.endswith("Message"))
    for operation in ("AddPermission", "UpdateFunctionConfiguration", "CreateFunction"):
        with pytest.raises(AwsError) as caught:
            asked("lambda", operation, FunctionName=there)
        assert (caught.value.code, caught.value.message) == ("AccessDeniedException", "")


def _operations() -> list[tuple[str, str]]:
    rooms = {
        "lambda": LambdaApi,
        "s3": S3Api,
        "logs": Logs,
        "iam": Iam,
        "sts": Sts,
        "sns": SnsApi,
        "sqs": SqsApi,
        "scheduler": SchedulerApi,
    }
    found = []
    for service, room in rooms.items():
        for operation in model(service).operation_names:
            if service == "lambda" or hasattr(room, xform_name(operation)):
                found.append((service, operation))
    return found


@pytest.mark.parametrize(("service", "operation"), _operations())
def test_whatever_a_client_sends_is_asked_for_or_refused(service: str, operation: str) -> None:
    shape = model(service).operation_model(operation).input_shape
    if shape is None:
        assert asked(service, operation)
        return

    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plausible.parameters(shape))
    def tried(params: dict[str, Any]) -> None:
        try:
            needs = asked(service, operation, **params)
        except AwsError as error:
            assert error.status < 500 or error.status == 501
            return
        assert all(need.action and need.resource for need in needs)
        names_nothing = operation == "DeleteObjects" and not params["Delete"]["Objects"]
        assert needs or names_nothing or operation in ("GetCallerIdentity", "GetSessionToken")

    tried()
