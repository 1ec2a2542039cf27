"""Errors in each protocol's own shape.

The code a service raises may be the error's shape name or the code the query protocol shows; each protocol writes the
one its clients look up. Status, the name of the message member and further members follow the model where it has the
error; otherwise the AwsError says.
"""

from typing import Any

from bulb.core.errors import AwsError
from bulb.core.texts import sendable
from bulb.http.message import Request, Response
from bulb.wire import cbor, json
from bulb.wire.catalog import Service
from bulb.wire.rest import shape_answer_plan
from bulb.wire.shapes import Shape
from bulb.wire.target import is_form, spoken_protocol
from bulb.wire.xml import DECLARATION, XmlEncoder, text

_ENCODER = XmlEncoder(always_millis=False)
_S3_ENCODER = XmlEncoder(always_millis=True)
HOST_ID = "YnVsYg=="
_SERVER_FAULT = 500

# The codes SQS clients know from the time it spoke the query protocol; its model no longer has them.
_SQS_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "KmsAccessDenied": "KMS.AccessDeniedException",
    "KmsDisabled": "KMS.DisabledException",
    "KmsInvalidKeyUsage": "KMS.InvalidKeyUsageException",
    "KmsInvalidState": "KMS.InvalidStateException",
    "KmsNotFound": "KMS.NotFoundException",
    "KmsOptInRequired": "KMS.OptInRequired",
    "KmsThrottled": "KMS.ThrottlingException",
}
# The names of errors that its model does not have, as it writes them in JSON.
_SQS_JSON_CODES = {
    "InvalidParameterValue": "InvalidParameterValueException",
    "MissingParameter": "MissingRequiredParameterException",
}
# What only those who still speak it are told, for what others are told.
_SQS_QUERY_TEXTS = {
    "The specified queue does not exist.": "The specified queue does not exist for this wsdl version.",
}


def error(
    service: Service | None, operation_name: str | None, error: AwsError, request_id: str, request: Request
) -> Response:
    """The response that carries `error`, in the protocol the request speaks.

    `operation_name` may be None where recognising the request already failed, `service` too.
    """
    protocol = spoken_protocol(service, request) if service is not None else _likely_protocol(request)
    shape = service.error_shapes.get(error.code) if service is not None else None
    status = _status(shape, error)
    if protocol == "rest-xml":
        response = _s3(shape, status, error, request_id, request)
    elif protocol == "query":
        response = _query(service, shape, status, error, request_id)
    elif protocol == "smithy-rpc-v2-cbor":
        document = _members(shape, error, cbor.ENCODER)
        document["__type"] = shape.name if shape is not None else error.code
        headers = [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        response = Response(status, headers, cbor.dumps(document))
    else:
        response = _json(service, protocol, shape, status, error)
    if service is not None and service.is_query_compatible and protocol != "query":
        fault = "Receiver" if status >= _SERVER_FAULT else "Sender"
        response.headers.append(("x-amzn-query-error", f"{_query_code(service, shape, error)};{fault}"))
    named = {name.lower() for name in error.headers}
    response.headers = [item for item in response.headers if item[0] not in named]
    response.headers.extend((name.lower(), value) for name, value in error.headers.items())
    response.headers.extend(request_id_headers(service, request_id))
    return response


def status_and_code(service: Service, error: AwsError) -> tuple[int, str]:
    """What a client of `service` sees of `error`: the status, and the code as SDKs show it."""
    shape = service.error_shapes.get(error.code)
    return _status(shape, error), _query_code(service, shape, error)


def request_id_headers(service: Service | None, request_id: str) -> list[tuple[str, str]]:
    """The request id under the name the service's clients read."""
    if service is not None and service.name == "s3":
        return [("x-amz-request-id", request_id), ("x-amz-id-2", HOST_ID)]
    return [("x-amzn-requestid", request_id)]


def _likely_protocol(request: Request) -> str:
    content_type = request.headers.get("content-type", "")
    if is_form(request) or "Action=" in request.query or _speaks_xml(request):
        return "query"
    if "cbor" in content_type:
        return "smithy-rpc-v2-cbor"
    return "json"


def _speaks_xml(request: Request) -> bool:
    """Services Bulb lacks that say REST in XML: their errors look as those of the query protocol do."""
    return any(
        f"/{name}/aws4_request" in request.headers.get("authorization", "") for name in ("cloudfront", "route53")
    )


def _status(shape: Shape | None, error: AwsError) -> int:
    if shape is None:
        return error.status
    modelled: int | None = shape.traits.get("error", {}).get("httpStatusCode")
    if modelled is not None:
        return modelled
    return _SERVER_FAULT if shape.traits.get("fault") and error.status < _SERVER_FAULT else error.status


def _message_member(shape: Shape | None) -> tuple[str, str]:
    """The message member's name in the model and on the wire."""
    if shape is not None:
        for name, member in shape.members.items():
            if name.lower() == "message":
                return name, member.location_name or name
    return "message", "message"


def _members(shape: Shape | None, error: AwsError, encoder: Any) -> dict[str, Any]:
    """The error's document: message, `Type` where the shape has one, further members."""
    name, wire_name = _message_member(shape)
    document: dict[str, Any] = {}
    if shape is not None and "Type" in shape.members and "Type" not in error.members:
        document["Type"] = "Service" if _status(shape, error) >= _SERVER_FAULT else "User"
    if shape is None:
        document.update(error.members)
        if "Message" in error.members:  # as some answers have it that no model describes
            return document
    else:
        body = shape.body_members
        known = {member: value for member, value in error.members.items() if member in body and member != name}
        document.update(encoder.structure(body)(known))
        unknown = {m: v for m, v in error.members.items() if m not in shape.members and m != name}
        document.update(unknown)
    document[wire_name] = error.message
    return document


def _json(service: Service | None, protocol: str, shape: Shape | None, status: int, error: AwsError) -> Response:
    code = shape.name if shape is not None else error.code
    if shape is None and service is not None and service.name == "sqs":
        code = _SQS_JSON_CODES.get(code, code)
    document = _members(shape, error, json.ENCODER)
    headers: list[tuple[str, str]] = []
    if shape is not None:
        located = {name: value for name, value in error.members.items() if name in shape.members}
        headers = shape_answer_plan(shape).split(located, status)[1]
    if protocol == "rest-json":
        headers += [("content-type", "application/json"), ("x-amzn-errortype", code)]
        return Response(status, headers, json.dumps(document))
    version = service.metadata.get("jsonVersion", "1.0") if service is not None else "1.0"
    headers.append(("content-type", f"application/x-amz-json-{version}"))
    return Response(status, headers, json.dumps({"__type": code, **document}))


def _query_code(service: Service, shape: Shape | None, error: AwsError) -> str:
    if shape is None:
        return error.code
    if service.name == "sqs":
        return _SQS_QUERY_CODES.get(shape.name, shape.name)
    code: str = shape.traits.get("error", {}).get("code", shape.name)
    return code


def _query(service: Service | None, shape: Shape | None, status: int, error: AwsError, request_id: str) -> Response:
    namespace = service.metadata.get("xmlNamespace") if service is not None else None
    code = _query_code(service, shape, error) if service is not None else error.code
    fault = "Receiver" if status >= _SERVER_FAULT else "Sender"
    _, message_name = _message_member(shape)
    message_name = message_name if shape is not None else "Message"
    said = error.message
    if service is not None and service.name == "sqs":
        said = _SQS_QUERY_TEXTS.get(said, said)
    # Clients read `Message` when they ask what went wrong, and the model's own name when they fill the error's shape.
    messages = "".join(f"<{name}>{_readable(said)}</{name}>" for name in dict.fromkeys(("Message", message_name)))
    inner = _xml_members(shape, error, _ENCODER)
    body = (
        f'<ErrorResponse xmlns="{namespace or "http://webservices.amazon.com/AWSFault/2005-15-09"}"><Error>'
        f"<Type>{fault}</Type><Code>{text(code)}</Code>{messages}{inner}</Error>"
        f"<RequestId>{text(request_id)}</RequestId></ErrorResponse>"
    )
    return Response(status, [("content-type", "text/xml")], body.encode())


def _s3(shape: Shape | None, status: int, error: AwsError, request_id: str, request: Request) -> Response:
    if request.method == "HEAD" or status == 304:  # noqa: PLR2004 - Not Modified never has a body
        return Response(status, [("content-type", "application/xml")])
    members = dict(error.members)
    resource = members.pop("Resource", None) or request.path
    modelled = _xml_members(shape, error, _S3_ENCODER, leave_out=frozenset({"Resource"}))
    body = (
        f"{DECLARATION}<Error><Code>{text(error.code)}</Code><Message>{_readable(error.message)}</Message>{modelled}"
        f"<Resource>{_readable(str(resource))}</Resource><RequestId>{text(request_id)}</RequestId>"
        f"<HostId>{HOST_ID}</HostId></Error>"
    )
    return Response(status, [("content-type", "application/xml")], body.encode())


def _xml_members(
    shape: Shape | None, error: AwsError, encoder: XmlEncoder, leave_out: frozenset[str] = frozenset()
) -> str:
    """The error's further members: by the model where it has them, else as plain text."""
    written = []
    body = shape.body_members if shape is not None else {}
    for name, value in error.members.items():
        if name in leave_out or name.lower() == "message" or value is None:
            continue
        if name in body:
            written.append(encoder.members(body, {name: value}))
        else:
            written.append(f"<{name}>{_readable(str(value))}</{name}>")
    return "".join(written)


def _readable(value: str) -> str:
    """A text that quotes the request, as XML: what XML cannot hold is replaced, or clients could not read the error."""
    return text(sendable(value))
