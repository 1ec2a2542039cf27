"""Every operation of every service: what we answer is read by botocore to the same values; so is every error."""

import pytest
from botocore.model import StructureShape

from bulb.core.errors import AwsError
from bulb.http.message import BufferedBody, Request
from bulb.wire import protocols

from .clients import CATALOG, SPOKEN, model, read
from .generated import Values

ROUNDS = 3
# GetBucketLocation is no structure (test_target.py has it); GetBucketNotification has two members in one element.
ELSEWHERE = {"GetBucketLocation", "GetBucketNotification"}


def readable(parsed: dict, answer: dict, shape: StructureShape, status: int) -> dict:
    """Parsed members as they were given: botocore reads a payload of bytes as text, an absent map of headers as an
    empty one, and the status always.
    """
    parsed.pop("ResponseMetadata", None)
    members = shape.members
    for name, value in list(parsed.items()):
        location = members[name].serialization.get("location")
        if name not in answer and (
            (location == "headers" and value == {}) or (location, value) == ("statusCode", status)
        ):
            del parsed[name]
        elif name not in answer and name.lower() == "contenttype":
            del parsed[name]  # A body has a content type, whether the answer names one or not.
        elif members[name].type_name == "blob" and isinstance(value, str):
            parsed[name] = value.encode()
    return parsed


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_answers_survive_the_way(service: str, protocol: str) -> None:
    ours = CATALOG.service(service)
    client = model(service, protocol)
    wrong = []
    for name in client.operation_names:
        operation = client.operation_model(name)
        shape = operation.output_shape
        if operation.has_event_stream_output or name in ELSEWHERE:
            continue  # test_eventstream.py has the streams
        for number in range(ROUNDS):
            answer = {}
            if shape is not None:
                answer = Values((name, number), xml=protocol in ("query", "rest-xml")).structure(shape)
            response = protocols.respond(ours, name, answer, "request-1", protocol)
            answer.pop("ContentLength", None) if operation.http[
                "method"
            ] != "HEAD" else None  # The connection's to write.
            if operation.http["method"] == "HEAD":
                response.body = b""
            if service != "sqs" or protocol != "query":
                parsed = read(response, shape, protocol)
            else:
                parsed = read_wrapped(response, operation, shape)
            if shape is not None:  # Without one, botocore does not look for it in every protocol.
                assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
            parsed = readable(parsed, answer, shape, response.status) if shape is not None else {}
            if parsed != answer:
                wrong.append((name, number, answer, "read as", parsed, response))
    assert not wrong, f"{len(wrong)} wrong; first: {wrong[0]}"


def read_wrapped(response, operation, shape):
    """SQS' model has lost the name of the element around its results; the clients of its query days knew it."""
    if shape is not None:
        shape.serialization["resultWrapper"] = f"{operation.name}Result"
    return read(response, shape, "query")


@pytest.mark.parametrize(("service", "protocol"), SPOKEN)
def test_errors_survive_the_way(service: str, protocol: str) -> None:
    ours = CATALOG.service(service)
    client = model(service)
    by_protocol = {"json": {"x-amz-target": "x"}, "smithy-rpc-v2-cbor": {"smithy-protocol": "rpc-v2-cbor"}}
    request = Request("POST", "/", "", by_protocol.get(protocol, {}), BufferedBody(b""), ("127.0.0.1", 1))
    operation = client.operation_names[0]
    for shape in client.error_shapes:
        members = {
            name: value
            for name, value in Values(shape.name, xml=protocol in ("query", "rest-xml")).structure(shape).items()
            if name.lower() not in ("message", "type")
        }
        raised = AwsError(shape.name, "It went <wrong> & more", members=members)
        response = protocols.error(ours, operation, raised, "request-1", request)
        assert response.status == shape.metadata.get("error", {}).get("httpStatusCode", response.status)
        assert response.status >= 400
        error = read(response, client.operation_model(operation).output_shape, protocol)["Error"]
        code = error.get("QueryErrorCode") or error["Code"]
        assert code in (shape.name, shape.error_code) or (service, protocol) == ("sqs", "query")
        assert error["Message"] == raised.message
        modelled = read(response, shape, protocol)
        message = next((name for name in shape.members if name.lower() == "message"), None)
        if message is not None:
            assert modelled[message] == raised.message, shape.name
        for name, value in members.items():
            assert modelled[name] == value, (shape.name, name)
        if "Type" in shape.members and protocol == "rest-json":
            assert modelled["Type"] == ("Service" if response.status >= 500 else "User")
