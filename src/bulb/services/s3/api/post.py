"""PostObject: the upload of an HTML form, with its permission (policy and signature) inside the form.

Not in botocore's model, so the answer is an HTTP response rather than members of a shape.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from bulb.core.calls import Call, Caller
from bulb.http.message import Response
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations, quoted, told_version
from bulb.services.s3.api.objects import content_of
from bulb.services.s3.form import Form, read_form
from bulb.services.s3.model import Bucket, ObjectVersion, Tags, Write
from bulb.services.s3.ports import PostSigner
from bulb.services.s3.rules import (
    MAX_OBJECT_TAGS,
    MAX_PUT_BYTES,
    check_key,
    check_tags,
    description_of,
    header_text,
    refuse_unsupported,
)
from bulb.wire.errors import HOST_ID
from bulb.wire.malformed import Malformed
from bulb.wire.post_policy import PostPolicy
from bulb.wire.sigv4 import verify_post_policy
from bulb.wire.xml import DECLARATION, loads, local_name, text

# Form fields and the parameters of PutObject they are.
_PARAMETERS = {
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "content-type": "ContentType",
    "x-amz-storage-class": "StorageClass",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "acl": "ACL",
}
_METADATA = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class Permission:
    """Who signed the form, and what the policy allows. An unsigned form has no policy."""

    signer: PostSigner
    access_key: str | None
    policy: PostPolicy | None


class PostOperations(Operations):
    """Uploads from web pages."""

    async def post_object(self, call: Call) -> Response:
        """Write the file of a form; answer as the form asks (204, 200, 201 with a document, or a redirect)."""
        form = await read_form(call.headers.get("content-type", ""), call.params["Body"])
        name = call.params["Bucket"]
        key = _key(form)
        permission = self._permission(form, name, key)
        signer = permission.signer
        caller = Caller(
            signer.account,
            permission.access_key,
            signer.arn,
            signer.user_id,
            call.caller.source_ip,
            signer.session_policy,
        )
        call = replace(call, caller=caller, params={"Bucket": name})
        if self._permits is not None:
            await self._permits(replace(call, operation="PutObject", params={"Bucket": name, "Key": key}))
        bucket = await self._bucket(call)
        params = _parameters(form)
        refuse_unsupported(params)
        received = await self._store.contents.receive(_bounded(form.content, permission.policy), MAX_PUT_BYTES)
        if permission.policy is not None:
            permission.policy.check_length(received.size)
        write = Write(
            bucket=bucket.name,
            key=key,
            content=content_of(received),
            description=replace(description_of(params), tags=_tags(form)),
            event="ObjectCreated:Post",
            origin=self._origin(call),
        )
        bucket, version = await self._store.objects.put(write)
        return _answer(call, form, bucket, version)

    def _permission(self, form: Form, bucket: str, key: str) -> Permission:
        """Hold the form against its policy. Raises what the policy forbids, and AccessDenied without one."""
        now = self._clock.now()
        if "policy" not in form.fields:
            return Permission(self._signers.anonymous(), None, None)
        credential = form.fields.get("x-amz-credential") or form.fields.get("awsaccesskeyid", "")
        access_key = credential.partition("/")[0]
        signer = self._signers.signer(access_key, form.fields.get("x-amz-security-token"), now)
        policy = verify_post_policy({**form.fields, "bucket": bucket, "key": key}, signer.secret, now)
        return Permission(signer, access_key, policy)


def _key(form: Form) -> str:
    key = form.fields.get("key")
    if key is None:
        message = (
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
        )
        raise errors.invalid_argument(message, "key", "")
    key = key.replace("${filename}", form.file_name)
    check_key(key)
    return key


def _parameters(form: Form) -> dict[str, Any]:
    fields = form.fields
    for name in fields:
        if name.startswith("x-amz-checksum-"):
            raise errors.not_implemented(name, "checksums of form uploads")
    said = {name: header_text(name, value) for name, value in fields.items() if name.startswith(_METADATA)}
    params: dict[str, Any] = {
        parameter: header_text(name, fields[name]) for name, parameter in _PARAMETERS.items() if name in fields
    }
    params["Metadata"] = {name[len(_METADATA) :]: value for name, value in said.items()}
    return params


def _tags(form: Form) -> Tags:
    """The tags of a `tagging` field, an XML document as PutObjectTagging takes it."""
    if not (document := form.fields.get("tagging")):
        return ()
    try:
        root = loads(document.encode())
    except Malformed:
        raise errors.malformed_xml() from None
    tags = [
        {local_name(child.tag): child.text or "" for child in element}
        for element in root.iter()
        if local_name(element.tag) == "Tag"
    ]
    if any("Key" not in tag or "Value" not in tag for tag in tags):
        raise errors.malformed_xml()
    return check_tags(((tag["Key"], tag["Value"]) for tag in tags), MAX_OBJECT_TAGS)


async def _bounded(content: AsyncIterator[bytes], policy: PostPolicy | None) -> AsyncIterator[bytes]:
    """The file, refused as soon as it is larger than the policy allows."""
    size = 0
    async for chunk in content:
        size += len(chunk)
        if policy is not None and policy.length_range is not None and size > policy.length_range[1]:
            policy.check_length(size)
        yield chunk


def _answer(call: Call, form: Form, bucket: Bucket, version: ObjectVersion) -> Response:
    etag = quoted(version.etag)
    location = f"{call.base_url}/{bucket.name}/{quote(version.key)}"
    headers = [("etag", etag), ("location", location), ("x-amz-request-id", call.request_id), ("x-amz-id-2", HOST_ID)]
    if (version_id := told_version(bucket, version)) is not None:
        headers.append(("x-amz-version-id", version_id))
    if redirect := form.fields.get("success_action_redirect") or form.fields.get("redirect"):
        target = _with_query(redirect, {"bucket": bucket.name, "key": version.key, "etag": etag})
        if target is not None:
            return Response(303, [("location", target), *(item for item in headers if item[0] != "location")])
    status = form.fields.get("success_action_status", "")
    if status != "201":
        return Response(200 if status == "200" else 204, headers)
    document = (
        f"{DECLARATION}<PostResponse><Location>{text(location)}</Location><Bucket>{text(bucket.name)}</Bucket>"
        f"<Key>{text(version.key)}</Key><ETag>{text(etag)}</ETag></PostResponse>"
    )
    return Response(201, [*headers, ("content-type", "application/xml")], document.encode())


def _with_query(url: str, items: dict[str, str]) -> str | None:
    """`url` with `items` added to its query; None when it is not an absolute web address that fits into a header."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or not url.isascii() or not url.isprintable():
        return None
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *items.items()])
    return urlunsplit(parts._replace(query=query))
