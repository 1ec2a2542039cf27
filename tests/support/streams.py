"""InvokeWithResponseStream, with boto3 as anybody would."""

import json
from typing import Any


class Streamed:
    """What a caller of InvokeWithResponseStream gets."""

    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response
        self.chunks: list[bytes] = []
        self.complete: dict[str, Any] | None = None
        for event in response["EventStream"]:
            assert self.complete is None, "InvokeComplete is the last event"
            if "PayloadChunk" in event:
                self.chunks.append(event["PayloadChunk"]["Payload"])
            else:
                self.complete = event["InvokeComplete"]

    @property
    def payload(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def error(self) -> Any:
        assert self.complete is not None
        return json.loads(self.complete["ErrorDetails"])


def stream(aws: Any, name: str, event: Any = None, **settings: Any) -> Streamed:
    payload = json.dumps(event if event is not None else {})
    return Streamed(aws.invoke_with_response_stream(FunctionName=name, Payload=payload, **settings))
