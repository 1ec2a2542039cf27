"""AWS's own policies: the few that functions are usually given, with what they say; any other ARN of AWS's can be
attached too (its document is not known here).
"""

import json

_PREFIX = "arn:aws:iam::aws:policy/"
_LOGS = ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents")
_LOGS_READ = ("logs:DescribeLogGroups", "logs:DescribeLogStreams", "logs:GetLogEvents", "logs:FilterLogEvents")
_ROLES_READ = (
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListRoles",
)
_ACTIONS: dict[str, tuple[str, ...]] = {
    "service-role/AWSLambdaBasicExecutionRole": _LOGS,
    "service-role/AWSLambdaSQSQueueExecutionRole": (
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        *_LOGS,
    ),
    "service-role/AWSLambdaDynamoDBExecutionRole": (
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
        *_LOGS,
    ),
    "service-role/AWSLambdaKinesisExecutionRole": (
        "kinesis:DescribeStream",
        "kinesis:DescribeStreamSummary",
        "kinesis:GetRecords",
        "kinesis:GetShardIterator",
        "kinesis:ListShards",
        "kinesis:ListStreams",
        "kinesis:SubscribeToShard",
        *_LOGS,
    ),
    "AmazonS3FullAccess": ("s3:*", "s3-object-lambda:*"),
    "AmazonS3ReadOnlyAccess": (
        "s3:Get*",
        "s3:List*",
        "s3:Describe*",
        "s3-object-lambda:Get*",
        "s3-object-lambda:List*",
    ),
    "service-role/AWSLambdaVPCAccessExecutionRole": (
        *_LOGS,
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    ),
    "service-role/AWSLambdaRole": ("lambda:InvokeFunction",),
    "AWSLambdaExecute": ("logs:*", "s3:GetObject", "s3:PutObject"),
    "AWSXRayDaemonWriteAccess": (
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:GetSamplingStatisticSummaries",
    ),
    "CloudWatchLogsFullAccess": ("logs:*",),
    "CloudWatchLogsReadOnlyAccess": (
        "logs:Describe*",
        "logs:Get*",
        "logs:List*",
        "logs:StartQuery",
        "logs:StopQuery",
        "logs:TestMetricFilter",
        "logs:FilterLogEvents",
    ),
    "IAMFullAccess": ("iam:*",),
    "IAMReadOnlyAccess": ("iam:GenerateCredentialReport", "iam:Get*", "iam:List*"),
    "AWSLambda_FullAccess": ("lambda:*", "iam:PassRole", *_ROLES_READ, *_LOGS_READ),
    "AWSLambda_ReadOnlyAccess": ("lambda:Get*", "lambda:List*", *_ROLES_READ, *_LOGS_READ),
    "AdministratorAccess": ("*",),
}


def is_aws_managed(policy_arn: str) -> bool:
    """The ARN is of a policy that AWS keeps."""
    return policy_arn.startswith(_PREFIX) and len(policy_arn) > len(_PREFIX)


def known() -> list[str]:
    """The ARNs whose documents are known."""
    return [_PREFIX + name for name in _ACTIONS]


def document(policy_arn: str) -> str | None:
    """What a policy of AWS's says, or None where that is not known."""
    actions = _ACTIONS.get(policy_arn.removeprefix(_PREFIX)) if is_aws_managed(policy_arn) else None
    if actions is None:
        return None
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=4)
