"""Pictures to upload and the function that makes thumbnails of them: the demo's own, as a user would deploy it."""

import functools
import io
from typing import Any

from PIL import Image

from bulb.cli.demo import package
from tests.support.functions import ROLE

SIZES = ("large", "medium", "small")


@functools.cache
def picture(number: int) -> bytes:
    """A small JPEG, different for each number."""
    body = io.BytesIO()
    Image.new("RGB", (160 + number, 120), (number * 2 % 256, 80, 160)).save(body, "JPEG")
    return body.getvalue()


@functools.cache
def _package() -> bytes:
    return package.build()


def deploy(functions: Any, name: str = "thumbnails") -> str:
    """The thumbnails function, active; its ARN."""
    created = functions.create_function(
        FunctionName=name,
        Runtime=package.RUNTIME,
        Role=ROLE,
        Handler=package.HANDLER,
        Code={"ZipFile": _package()},
        MemorySize=1024,
        Timeout=60,
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 200})
    arn: str = created["FunctionArn"]
    return arn


def notify(s3: Any, bucket: str, function_arn: str) -> None:
    """Uploads under uploads/ start the function."""
    rules = [{"Name": "prefix", "Value": "uploads/"}, {"Name": "suffix", "Value": ".jpg"}]
    configuration = {
        "LambdaFunctionArn": function_arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]}
    )


def thumbnails(s3: Any, bucket: str) -> set[str]:
    """The keys of all thumbnails there are."""
    found = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="thumbnails/"):
        found |= {item["Key"] for item in page.get("Contents", [])}
    return found


def expected(stem: str) -> set[str]:
    """The thumbnails of uploads/`stem`.jpg."""
    return {f"thumbnails/{stem}-{size}.jpg" for size in SIZES}
