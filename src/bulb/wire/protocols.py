"""Requests to parameters and answers to responses, for every protocol; the rest of Bulb calls this and `errors`.

Which of its protocols a request speaks is seen from the request (`target.spoken_protocol`); the answer must be in the
same one, so `respond` is told it.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from bulb.core.calls import Answer, BodyStream
from bulb.core.errors import AwsError
from bulb.http.message import Request, Response, ResponseBody
from bulb.wire import cbor, json, query, rest, restxml
from bulb.wire.catalog import Operation, Service
from bulb.wire.documents import Codec
from bulb.wire.errors import error, request_id_headers
from bulb.wire.eventstream import CONTENT_TYPE, EventEncoder
from bulb.wire.hosts import effective_path
from bulb.wire.malformed import Malformed, MalformedUri, MalformedXml
from bulb.wire.rest import AnswerPlan, Headers, RequestPlan
from bulb.wire.target import spoken_protocol


def parse(service: Service, operation_name: str, request: Request, body: BodyStream | bytes) -> dict[str, Any]:
    """The parameters boto3's caller would have given.

    `body` is a stream exactly when `operation.wants_stream`, and then is handed on as the streaming member. Raises
    AwsError 400 for a request that does not fit the protocol or the model.
    """
    operation = service.operation(operation_name)
    protocol = spoken_protocol(service, request)
    try:
        match protocol:
            case "rest-json" | "rest-xml":
                return _parse_rest(operation, protocol, request, body)
            case "json":
                return _document(operation, json.loads(_all(body)), json.DECODER)
            case "smithy-rpc-v2-cbor":
                return _document(operation, cbor.loads(_all(body)), cbor.DECODER)
            case _:
                params = query.decode(operation, request.query, _all(body))
                return _with_queue_url(operation, params, request)
    except Malformed as malformed:
        raise _refusal(protocol, malformed) from malformed
    except RecursionError as recursion:
        raise _refusal(protocol, Malformed("The request is nested too deeply.")) from recursion


def respond(
    service: Service,
    operation_name: str,
    answer: Answer,
    request_id: str,
    protocol: str | None = None,
) -> Response:
    """The response that carries `answer`.

    `answer` has the output shape's members; a member the model lacks is a KeyError. A streaming member is bytes or an
    async iterator of bytes, an event stream an async iterator of `{event name: members}`. "ResponseHeaders" may carry
    further headers, "ResponseStatus" a status the model does not name (S3's 206). `protocol` is `Target.protocol`; None
    means the service's first.
    """
    operation = service.operation(operation_name)
    protocol = protocol or service.protocol
    extra: Mapping[str, str] = answer.get("ResponseHeaders") or {}
    status: int | None = answer.get("ResponseStatus")
    if extra or status is not None:
        answer = {name: value for name, value in answer.items() if name not in ("ResponseHeaders", "ResponseStatus")}
    if protocol in ("rest-json", "rest-xml"):
        response = _respond_rest(operation, protocol, answer)
    else:
        response = _respond_rpc(operation, protocol, answer, request_id)
    if extra:
        named = {name.lower() for name in extra}
        response.headers = [item for item in response.headers if item[0] not in named]
        response.headers.extend((name.lower(), value) for name, value in extra.items())
    if status is not None:
        response.status = status
    response.headers.extend(request_id_headers(service, request_id))
    return response


def _parse_rest(operation: Operation, protocol: str, request: Request, body: BodyStream | bytes) -> dict[str, Any]:
    plan = operation.plan("request", rest.request_plan)
    path, headers = request.path, request.headers
    if protocol == "rest-xml":
        path = effective_path(path, request.headers.get("host", ""))
        if "x-amz-" in request.query:
            headers = {**rest.hoisted_headers(request.query), **headers}
    params = plan.parse(path, request.query, headers)
    if plan.payload is not None:
        value = _rest_payload(plan, protocol, body)
        if value is not None:
            params[plan.payload[0]] = value
    elif plan.body and (raw := _all(body)):
        if protocol == "rest-xml":
            params.update(restxml.decode_members(plan.body, raw))
        else:
            params.update(operation.plan("body in", _json_body_decoder)(json.loads(raw)))
    return params


def _json_body_decoder(operation: Operation) -> Codec:
    return json.DECODER.structure(operation.plan("request", rest.request_plan).body)


def _json_body_encoder(operation: Operation) -> Codec:
    return json.ENCODER.structure(operation.plan("answer", rest.answer_plan).body)


def _rest_payload(plan: RequestPlan, protocol: str, body: BodyStream | bytes) -> Any:
    assert plan.payload is not None
    shape = plan.payload[1]
    if shape.type == "blob":
        return body if not isinstance(body, bytes) or body or shape.streaming else None
    raw = _all(body)
    if not raw:
        return None
    if shape.type == "string":
        return _text(raw)
    return restxml.decode_payload(shape, raw) if protocol == "rest-xml" else json.DECODER.of(shape)(json.loads(raw))


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error_:
        raise Malformed("The body is not UTF-8.") from error_


def _document(operation: Operation, document: Any, decoder: Any) -> dict[str, Any]:
    if operation.input is None:
        return {}
    params: dict[str, Any] = decoder.of(operation.input)(document)
    return params


def _all(body: BodyStream | bytes) -> bytes:
    if not isinstance(body, bytes):
        raise TypeError("this operation's body must be read before it is parsed")
    return body


def _with_queue_url(operation: Operation, params: dict[str, Any], request: Request) -> dict[str, Any]:
    """The query protocol lets the request's own path stand for SQS' QueueUrl."""
    if operation.service.name != "sqs" or operation.input is None or not request.path.strip("/"):
        return params
    if "QueueUrl" in operation.input.members and "QueueUrl" not in params:
        params["QueueUrl"] = f"{request.scheme}://{request.headers.get('host', 'localhost')}{request.path}"
    return params


def _refusal(protocol: str, malformed: Malformed) -> AwsError:
    if protocol == "query":
        return AwsError("MalformedInput", str(malformed))
    if protocol == "rest-xml":
        codes = {MalformedXml: "MalformedXML", MalformedUri: "InvalidURI"}
        return AwsError(codes.get(type(malformed), "InvalidArgument"), str(malformed))
    return AwsError("SerializationException", str(malformed))


def _respond_rpc(operation: Operation, protocol: str, answer: Answer, request_id: str) -> Response:
    output = operation.output
    if output is not None and (stream := output.event_stream_member) is not None:
        rest_of_it = {name: value for name, value in answer.items() if name != stream}
        initial = json.ENCODER.of(output)(rest_of_it)
        encoder = EventEncoder(output.members[stream], json.ENCODER)
        return Response(200, [("content-type", CONTENT_TYPE)], encoder.messages(answer[stream], initial))
    if protocol == "query":
        body = query.encode(operation, answer, request_id)
        return Response(200, [("content-type", "text/xml")], body)
    if output is None and answer:
        raise KeyError(next(iter(answer)))
    if protocol == "json":
        version = operation.service.metadata.get("jsonVersion", "1.0")
        body = b"" if output is None else json.dumps(json.ENCODER.of(output)(answer))
        return Response(200, [("content-type", f"application/x-amz-json-{version}")], body)
    body = cbor.dumps({} if output is None else cbor.ENCODER.of(output)(answer))
    return Response(200, [("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")], body)


def _respond_rest(operation: Operation, protocol: str, answer: Answer) -> Response:
    plan = operation.plan("answer", rest.answer_plan)
    status, headers, values = plan.split(answer, operation.default_status)
    body, content_type = _rest_body(operation, protocol, plan, values)
    if isinstance(body, bytes):
        if operation.method != "HEAD":
            headers = [item for item in headers if item[0] != "content-length"]
        if status in (204, 304):
            body, content_type = b"", None
    if content_type is not None and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", content_type))
    return Response(status, headers, body)


def _rest_body(
    operation: Operation, protocol: str, plan: AnswerPlan, values: dict[str, Any]
) -> tuple[ResponseBody, str | None]:
    """The body and the content type to give it where no member says."""
    xml = protocol == "rest-xml"
    if plan.payload is None:
        if not plan.body:
            if values:
                raise KeyError(next(iter(values)))
            return b"", None
        if xml:
            return restxml.encode_body(operation, plan, values), "application/xml"
        return json.dumps(operation.plan("body out", _json_body_encoder)(values)), "application/json"
    name, shape = plan.payload
    value = values.pop(name, None)
    if values:
        raise KeyError(next(iter(values)))
    if value is None:
        return b"", None
    return _rest_payload_body(operation, xml, name, shape, value)


def _rest_payload_body(
    operation: Operation, xml: bool, name: str, shape: Any, value: Any
) -> tuple[ResponseBody, str | None]:
    if shape.is_event_stream:
        events: AsyncIterator[Mapping[str, Any]] = value
        return EventEncoder(shape, json.ENCODER).messages(events), CONTENT_TYPE
    if shape.type == "blob":
        return value, "binary/octet-stream" if xml else "application/json"
    if shape.type == "string":
        return value.encode(), "application/json"
    if xml:
        return restxml.encode_payload(operation, name, shape, value), "application/xml"
    return json.dumps(json.ENCODER.of(shape)(value)), "application/json"


__all__ = ["Headers", "error", "parse", "respond"]
