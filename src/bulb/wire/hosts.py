"""What the Host header says: which service, and for S3 which bucket.

Names end in anything (`amazonaws.com`, `localhost`, `localhost.localstack.cloud`, a domain of the operator's own); what
counts are the labels in front: `lambda.<region>.…`, `<bucket>.s3.…`, `<bucket>.s3-<region>.…`, `<bucket>.localhost`.
"""

import re

_S3_LABEL = r"s3(?:[.-](?:dualstack|website|accelerate|fips|express[a-z0-9-]*|[a-z]{2}(?:-[a-z]+)+-\d))?"
_BUCKET_HOST = re.compile(rf"(?P<bucket>.+?)\.{_S3_LABEL}\..+")
_BUCKET_ON_LOCALHOST = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.localhost")
_S3_HOST = re.compile(rf"{_S3_LABEL}(?:\..+)?")
_SERVICE_LABELS = {
    "lambda": "lambda",
    "sqs": "sqs",
    "queue": "sqs",
    "sns": "sns",
    "events": "events",
    "scheduler": "scheduler",
    "dynamodb": "dynamodb",
    "streams.dynamodb": "dynamodbstreams",
    "kinesis": "kinesis",
    "apigateway": "apigateway",
    "logs": "logs",
    "streaming-logs": "logs",
    "monitoring": "cloudwatch",
    "cloudwatch": "cloudwatch",
    "iam": "iam",
    "sts": "sts",
}


def host_name(header: str) -> str:
    """The Host header without its port, in lower case."""
    name = header.strip().lower()
    return name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]


def bucket_in_host(header: str) -> str | None:
    """The bucket a virtual-hosted S3 request names in its Host header."""
    host = host_name(header)
    if ".s3" in host and (match := _BUCKET_HOST.fullmatch(host)):
        return match["bucket"]
    if host.endswith(".localhost") and (match := _BUCKET_ON_LOCALHOST.fullmatch(host)):
        return None if service_in_host(header) else match["bucket"]
    return None


def service_in_host(header: str) -> str | None:
    """The service whose endpoint the Host header is, when it is a service's."""
    host = host_name(header)
    if _S3_HOST.fullmatch(host) or (".s3" in host and _BUCKET_HOST.fullmatch(host)):
        return "s3"
    first, _, rest = host.partition(".")
    if not rest:
        return None
    two = f"{first}.{rest.partition('.')[0]}"
    if two in _SERVICE_LABELS:
        return _SERVICE_LABELS[two]
    if first in _SERVICE_LABELS:
        return _SERVICE_LABELS[first]
    # Queue hosts of old: `<region>.queue.amazonaws.com`; and Kinesis' `<account>.control-kinesis.…`.
    second = rest.partition(".")[0]
    if second == "queue":
        return "sqs"
    return "kinesis" if second in ("control-kinesis", "data-kinesis") else None


def effective_path(path: str, host_header: str) -> str:
    """The path an S3 route is matched against: a bucket in the host is put in front of it."""
    bucket = bucket_in_host(host_header)
    return f"/{bucket}{path}" if bucket else path
