"""Services that do next to nothing, to see what reaches them and what becomes of their answers."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError


class ToyLambda:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def list_functions(self, call: Call) -> Answer:
        self.calls.append(call)
        return {"Functions": [{"FunctionName": "one"}]}

    async def invoke(self, call: Call) -> Answer:
        self.calls.append(call)
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": call.params.get("Payload", b"null")}

    async def create_function(self, call: Call) -> Answer:
        self.calls.append(call)
        return {"FunctionName": call.params["FunctionName"], "CodeSize": len(call.params["Code"]["ZipFile"])}

    async def get_function(self, call: Call) -> Answer:
        message = f"Function not found: {call.params['FunctionName']}"
        raise AwsError("ResourceNotFoundException", message, status=404)

    async def delete_function(self, call: Call) -> Answer:
        raise RuntimeError("a secret about the inside")


class ToySqs:
    async def list_queues(self, call: Call) -> Answer:
        return {"QueueUrls": [f"{call.base_url}/{call.account}/q"]}

    async def get_queue_url(self, call: Call) -> Answer:
        raise AwsError("QueueDoesNotExist", "The specified queue does not exist.")


class ToyS3:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def put_object(self, call: Call) -> Answer:
        self.calls.append(call)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        if call.params["Key"] == "refused":
            raise AwsError("AccessDenied", "Access Denied", status=403)
        async for part in call.params["Body"]:
            digest.update(part)
            size += len(part)
        return {"ETag": f'"{digest.hexdigest()}"', "VersionId": str(size)}

    async def get_object(self, call: Call) -> Answer:
        self.calls.append(call)
        size = 5 * 1_048_576

        async def parts() -> AsyncIterator[bytes]:
            for _ in range(5):
                yield b"x" * 1_048_576

        return {"Body": parts(), "ContentLength": size, "ContentType": "text/plain", "Metadata": {"who": "bulb"}}

    async def head_object(self, call: Call) -> Answer:
        raise AwsError("NoSuchKey", "The specified key does not exist.", status=404)

    async def list_objects_v2(self, call: Call) -> Answer:
        self.calls.append(call)
        return {"Name": call.params["Bucket"], "KeyCount": 0, "IsTruncated": False}

    async def put_bucket_tagging(self, call: Call) -> Answer:
        self.calls.append(call)
        return {}


class ToySts:
    async def get_caller_identity(self, call: Call) -> Answer:
        return {"Account": call.account, "Arn": call.caller.arn, "UserId": f"{call.caller.user_id} in {call.region}"}

    async def assume_role_with_web_identity(self, call: Call) -> Answer:
        return {"SubjectFromWebIdentityToken": "anybody"}


class ToyCloudwatch:
    def __init__(self) -> None:
        self.data: list[Any] = []

    async def put_metric_data(self, call: Call) -> Answer:
        self.data.extend(call.params["MetricData"])
        return {}


def toys() -> dict[str, object]:
    return {"lambda": ToyLambda(), "sqs": ToySqs(), "s3": ToyS3(), "sts": ToySts(), "cloudwatch": ToyCloudwatch()}
