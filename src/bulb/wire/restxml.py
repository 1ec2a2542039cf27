"""rest-xml: S3."""

from typing import Any

from bulb.wire.catalog import Operation
from bulb.wire.malformed import MalformedXml
from bulb.wire.rest import AnswerPlan
from bulb.wire.shapes import Shape
from bulb.wire.xml import DECLARATION, XmlDecoder, XmlEncoder, loads, local_name, text

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECODER = XmlDecoder()
ENCODER = XmlEncoder(always_millis=True)

# The model names output shapes for its own use; these are the root elements S3 writes.
_ROOTS = {
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListParts": "ListPartsResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetBucketTagging": "Tagging",
    "GetObjectTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetObjectAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
}


def decode_payload(shape: Shape, body: bytes) -> Any:
    """The body as a structure `shape`. Raises Malformed; an empty body is an absent payload (None).

    A document about something else is refused: read as this one it would be empty, and empty often means delete.
    """
    if not body.strip():
        return None
    root = loads(body)
    if local_name(root.tag) != shape.location_name or (len(root) == 0 and (root.text or "").strip()):
        raise MalformedXml
    return DECODER.of(shape)(root)


def decode_members(members: dict[str, Shape], body: bytes) -> dict[str, Any]:
    """The body's members."""
    if not body.strip():
        return {}
    decoded: dict[str, Any] = DECODER.structure(members)(loads(body))
    return decoded


def encode_body(operation: Operation, plan: AnswerPlan, values: dict[str, Any]) -> bytes:
    """The document of an answer's body members."""
    assert operation.output is not None
    if operation.name == "GetBucketLocation":
        return _location(values.get("LocationConstraint"))
    root = _ROOTS.get(operation.name, operation.output.name)
    inner = ENCODER.members(plan.body, values)
    return f'{DECLARATION}<{root} xmlns="{NAMESPACE}">{inner}</{root}>'.encode()


def encode_payload(operation: Operation, name: str, shape: Shape, value: dict[str, Any]) -> bytes:
    """The document of the one member that is the body."""
    root = _ROOTS.get(operation.name) or shape.location_name or shape.name or name
    element = ENCODER.element(root, shape, value)
    opened = f"<{root}"
    return f'{DECLARATION}{opened} xmlns="{NAMESPACE}"{element[len(opened) :]}'.encode()


def _location(constraint: str | None) -> bytes:
    """GetBucketLocation's root element holds the text itself; us-east-1 is the empty one."""
    inner = text(constraint) if constraint else ""
    return f'{DECLARATION}<LocationConstraint xmlns="{NAMESPACE}">{inner}</LocationConstraint>'.encode()
