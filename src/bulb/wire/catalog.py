"""The services Bulb knows the models of, each loaded on first use.

`SERVICES` repeats the few facts of every model that are needed to recognise a request before any model is loaded
(recognising must not cost loading fifteen of them); tests/wire/test_catalog.py holds it against the models.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from bulb.wire import sqs_query
from bulb.wire.routes import RouteTable
from bulb.wire.shapes import Shape, ShapeMap

if TYPE_CHECKING:
    from botocore.model import ServiceModel

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """How a service is recognised. `protocols` in order of preference, the model's own first."""

    signing_name: str
    protocols: tuple[str, ...]
    target_prefix: str | None = None
    api_version: str = ""
    endpoint_prefix: str = ""


# Services that share a signing name stand in the order in which their routes are tried.
SERVICES: dict[str, ServiceFacts] = {
    "lambda": ServiceFacts("lambda", ("rest-json",), None, "2015-03-31", "lambda"),
    "lambda-core": ServiceFacts("lambda", ("rest-json",), None, "2026-04-30", "lambda"),
    "lambda-microvms": ServiceFacts("lambda", ("rest-json",), None, "2025-09-09", "lambda"),
    "lambda-web": ServiceFacts("lambda", ("rest-json",), None, "2025-03-07", "lambda"),
    "s3": ServiceFacts("s3", ("rest-xml",), None, "2006-03-01", "s3"),
    "sqs": ServiceFacts("sqs", ("json", "query"), "AmazonSQS", "2012-11-05", "sqs"),
    "sns": ServiceFacts("sns", ("query",), None, "2010-03-31", "sns"),
    "events": ServiceFacts("events", ("json",), "AWSEvents", "2015-10-07", "events"),
    "scheduler": ServiceFacts("scheduler", ("rest-json",), None, "2021-06-30", "scheduler"),
    "dynamodb": ServiceFacts("dynamodb", ("json",), "DynamoDB_20120810", "2012-08-10", "dynamodb"),
    "dynamodbstreams": ServiceFacts(
        "dynamodb", ("json",), "DynamoDBStreams_20120810", "2012-08-10", "streams.dynamodb"
    ),
    "kinesis": ServiceFacts("kinesis", ("json",), "Kinesis_20131202", "2013-12-02", "kinesis"),
    "apigateway": ServiceFacts("apigateway", ("rest-json",), None, "2015-07-09", "apigateway"),
    "apigatewayv2": ServiceFacts("apigateway", ("rest-json",), None, "2018-11-29", "apigateway"),
    "logs": ServiceFacts("logs", ("json",), "Logs_20140328", "2014-03-28", "logs"),
    "cloudwatch": ServiceFacts(
        "monitoring",
        ("smithy-rpc-v2-cbor", "json", "query"),
        "GraniteServiceVersion20100801",
        "2010-08-01",
        "monitoring",
    ),
    "iam": ServiceFacts("iam", ("query",), None, "2010-05-08", "iam"),
    "sts": ServiceFacts("sts", ("query",), None, "2011-06-15", "sts"),
}


class Operation:
    """One operation. `plan` keeps what a protocol compiled for it, so that no request walks the model."""

    def __init__(self, service: "Service", document: dict[str, Any], shapes: ShapeMap) -> None:
        self.service = service
        self.name: str = document["name"]
        self.document = document
        self.method: str = document["http"]["method"]
        self.path: str = document["http"]["requestUri"]
        self.default_status: int = document["http"].get("responseCode", 200)
        self.input: Shape | None = shapes.resolve(document["input"]) if "input" in document else None
        self.output: Shape | None = shapes.resolve(document["output"]) if "output" in document else None
        self._plans: dict[str, Any] = {}

    @cached_property
    def wants_stream(self) -> bool:
        """The request body is a streaming blob: hand over a BodyStream, not bytes."""
        if self.input is None or self.input.payload is None:
            return False
        return self.input.members[self.input.payload].streaming

    @cached_property
    def result_wrapper(self) -> str:
        """The element around a query protocol's answer."""
        wrapper: str = self.document.get("output", {}).get("resultWrapper", f"{self.name}Result")
        return wrapper

    @cached_property
    def in_query(self) -> "Operation":
        """The same as the query protocol names its members."""
        shapes = self.service.query_shapes
        return self if shapes is self.service.shapes else Operation(self.service, self.document, shapes)

    def plan(self, kind: str, compile_: Callable[["Operation"], T]) -> T:
        """What `compile_` makes of this operation, made once."""
        plan: T | None = self._plans.get(kind)
        if plan is None:
            plan = self._plans[kind] = compile_(self)
        return plan


class Service:
    """One service's model: operations, errors, routes."""

    def __init__(self, name: str, facts: ServiceFacts) -> None:
        self.name = name
        self.facts = facts
        self._operations: dict[str, Operation] = {}
        document = _load(name)
        self.metadata: dict[str, Any] = document["metadata"]
        self.shapes = ShapeMap(document["shapes"])
        self._documents: dict[str, dict[str, Any]] = document["operations"]
        self.query_shapes = self.shapes
        if name == "sqs":
            self.metadata["xmlNamespace"] = sqs_query.NAMESPACE
            self.query_shapes = ShapeMap(sqs_query.named(document["shapes"]))

    @property
    def protocol(self) -> str:
        """The protocol today's clients speak to it by default."""
        return self.facts.protocols[0]

    @property
    def operation_names(self) -> list[str]:
        """Every operation of the model."""
        return list(self._documents)

    @property
    def is_query_compatible(self) -> bool:
        """It once spoke the query protocol, and clients still expect that protocol's error codes in a header."""
        return "awsQueryCompatible" in self.metadata

    def has_operation(self, name: str) -> bool:
        """Whether the model has an operation of that name."""
        return name in self._documents

    def operation(self, name: str) -> Operation:
        """The operation of that name. Raises KeyError."""
        operation = self._operations.get(name)
        if operation is None:
            operation = self._operations[name] = Operation(self, self._documents[name], self.shapes)
        return operation

    @cached_property
    def routes(self) -> RouteTable:
        """How a REST service's requests are told apart."""
        return RouteTable(self.operation(name) for name in self._documents)

    @cached_property
    def error_shapes(self) -> dict[str, Shape]:
        """Modelled errors by shape name and, where the model has one, by the code the query protocol shows."""
        by_name = {shape.name: shape for shape in self.shapes.exceptions()}
        by_code = {shape.traits.get("error", {}).get("code"): shape for shape in by_name.values()}
        by_code.pop(None, None)
        return {**by_code, **by_name}

    @cached_property
    def model(self) -> "ServiceModel":
        """botocore's own view of the same model, for callers off the request path."""
        from botocore.model import ServiceModel  # noqa: PLC0415 - 0.3 s to import; no request needs it

        return ServiceModel(_load(self.name), self.name)


class Catalog:
    """Services by name. Loading one takes about 10 ms, once."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service:
        """The service botocore calls `name`. Raises KeyError for one Bulb does not know."""
        service = self._services.get(name)
        if service is None:
            service = self._services[name] = Service(name, SERVICES[name])
        return service


def _load(name: str) -> dict[str, Any]:
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore, which ships the service models, is not installed")
    newest = max((Path(spec.origin).parent / "data" / name).glob("*/service-2.json.gz"))
    document: dict[str, Any] = orjson.loads(gzip.decompress(newest.read_bytes()))
    extras = newest.with_name("service-2.sdk-extras.json")
    if extras.exists():
        _merge(document, orjson.loads(extras.read_bytes()).get("merge", {}))
    _drop_documentation(document["shapes"])
    return document


def _merge(document: dict[str, Any], changes: dict[str, Any]) -> None:
    """What botocore itself changes of a model (S3's `Expires` is a time to every boto3 caller)."""
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(document.get(name), dict):
            _merge(document[name], value)
        else:
            document[name] = value


def _drop_documentation(shapes: dict[str, dict[str, Any]]) -> None:
    """Two thirds of a model are prose nobody reads at run time."""
    for shape in shapes.values():
        shape.pop("documentation", None)
        for member in shape.get("members", {}).values():
            member.pop("documentation", None)
