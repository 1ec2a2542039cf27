"""S3's refusals, in S3's words."""

from bulb.core.errors import AwsError


def no_such_bucket(name: str) -> AwsError:
    """404: nobody has this bucket."""
    return AwsError("NoSuchBucket", "The specified bucket does not exist", status=404, members={"BucketName": name})


def no_such_key(key: str) -> AwsError:
    """404: no object, or its latest version is a delete marker."""
    return AwsError("NoSuchKey", "The specified key does not exist.", status=404, members={"Key": key})


def no_such_version(key: str, version_id: str) -> AwsError:
    """404: the key has no such version."""
    return AwsError(
        "NoSuchVersion",
        "The specified version does not exist.",
        status=404,
        members={"Key": key, "VersionId": version_id},
    )


def no_such_upload(upload_id: str) -> AwsError:
    """404: never begun, completed or aborted."""
    return AwsError(
        "NoSuchUpload",
        "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been "
        "aborted or completed.",
        status=404,
        members={"UploadId": upload_id},
    )


def access_denied(message: str = "Access Denied") -> AwsError:
    """403."""
    return AwsError("AccessDenied", message, status=403)


def invalid_argument(message: str, name: str | None = None, value: str | None = None) -> AwsError:
    """400, naming the argument."""
    members = {key: text for key, text in (("ArgumentName", name), ("ArgumentValue", value)) if text is not None}
    return AwsError("InvalidArgument", message, members=members)


def invalid_request(message: str) -> AwsError:
    """400."""
    return AwsError("InvalidRequest", message)


def precondition_failed(condition: str) -> AwsError:
    """412; `condition` is the header that did not hold."""
    return AwsError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        status=412,
        members={"Condition": condition},
    )


def malformed_xml() -> AwsError:
    """400."""
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def not_implemented(header: str, what: str) -> AwsError:
    """501, S3's own way of saying that nobody acts on `header`; `what` names the feature."""
    return AwsError(
        "NotImplemented",
        f"A header you provided implies functionality that is not implemented: Bulb does not support {what} yet.",
        status=501,
        members={"Header": header},
    )
