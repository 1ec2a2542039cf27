"""Form uploads, as a browser does them with what boto3's generate_presigned_post gave it."""

from pathlib import Path
from typing import Any

import pytest

from bulb.identity.credentials import Identity
from bulb.services.s3 import IdentitySigners, S3Api
from tests.services.s3.conftest import Served
from tests.services.s3.room import Room, opened
from tests.services.s3.test_boto3 import fetch
from tests.support.gateway import GatewayOptions, client, running_gateway


def post(url: str, fields: dict[str, str], content: bytes = b"data", file_name: str = "a.jpg") -> Any:
    """POST a form; redirects are not followed (urllib would GET them: the status is looked at)."""
    parts = [f'--xyz\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    head = f'--xyz\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n\r\n'
    body = "".join(parts).encode() + head.encode() + content + b"\r\n--xyz--\r\n"
    return fetch(url, "POST", body, {"content-type": "multipart/form-data; boundary=xyz"})


def signed(s3: Any, bucket: str, key: str, fields: dict[str, str] | None = None, *conditions: Any) -> Any:
    fields = fields or {}
    return s3.generate_presigned_post(bucket, key, fields, [*({n: v} for n, v in fields.items()), *conditions])


def test_a_form_upload(served: Served, s3: Any, bucket: str) -> None:
    fields = {"Content-Type": "image/jpeg", "x-amz-meta-who": "me", "success_action_status": "201"}
    form = signed(s3, bucket, "in/${filename}", fields)
    response = post(form["url"], form["fields"], b"x" * 2_000_000, "cat.jpg")
    document = response.read().decode()
    assert (response.status, "<Key>in/cat.jpg</Key>" in document) == (201, True), document
    got = s3.get_object(Bucket=bucket, Key="in/cat.jpg")
    assert (got["ContentType"], got["Metadata"], len(got["Body"].read())) == ("image/jpeg", {"who": "me"}, 2_000_000)


def test_a_form_upload_without_more_is_answered_204(s3: Any, bucket: str) -> None:
    form = signed(s3, bucket, "k")
    response = post(form["url"], form["fields"])
    assert (response.status, response.headers["etag"]) == (204, '"8d777f385d3dfec8815d20f7496026dc"')


def test_a_redirect_after_the_upload(served: Served, s3: Any, bucket: str) -> None:
    target = f"{served.url}/_bulb/health?x=1"
    form = signed(s3, bucket, "a b", {"success_action_redirect": target})
    response = post(form["url"], form["fields"])
    assert "x=1" in response.url
    assert "key=a+b" in response.url


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"key": "elsewhere"}, "AccessDenied"),
        ({"extra": "field"}, "AccessDenied"),
        ({"policy": "nonsense"}, "InvalidPolicyDocument"),
        ({"acl": "public-read"}, "AccessDenied"),
    ],
)
def test_what_the_policy_does_not_allow(s3: Any, bucket: str, change: dict[str, str], code: str) -> None:
    form = signed(s3, bucket, "k")
    response = post(form["url"], form["fields"] | change)
    assert code in response.read().decode()
    assert 400 <= response.status < 404
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(("size", "code"), [(5, "EntityTooSmall"), (10, None), (21, "EntityTooLarge")])
def test_the_length_a_policy_allows(s3: Any, bucket: str, size: int, code: str | None) -> None:
    form = signed(s3, bucket, "k", None, ["content-length-range", 10, 20])
    response = post(form["url"], form["fields"], b"x" * size)
    assert (code or "") in response.read().decode()
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == (0 if code else 1)


@pytest.mark.parametrize("field", ["Content-Type", "x-amz-meta-a"])
def test_a_field_cannot_smuggle_headers(s3: Any, bucket: str, field: str) -> None:
    form = signed(s3, bucket, "k", None, ["starts-with", f"${field}", ""])
    response = post(form["url"], form["fields"] | {field: "a\r\nset-cookie: b=c"})
    assert (response.status, b"InvalidArgument" in response.read()) == (400, True)


def test_the_key_comes_first_and_must_be_there(s3: Any, bucket: str) -> None:
    form = signed(s3, bucket, "k")
    fields = {name: value for name, value in form["fields"].items() if name != "key"}
    response = post(form["url"], fields)
    assert (response.status, "named 'key'" in response.read().decode()) == (400, True)


class Known:
    """One key."""

    def resolve(self, access_key: str, session_token: str | None, now: float) -> Identity | None:
        return Identity("123456789012", "arn", "AIDA", "right") if access_key == "KEY" else None


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_enforced_credentials_reach_into_the_form(tmp_path: Path, version: str) -> None:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def services():
        async with opened(tmp_path) as room:
            yield {"s3": enforced(room)}

    def enforced(room: Room) -> S3Api:
        return S3Api(room.store, room.targets, room.clock, IdentitySigners(Known(), enforce=True))

    options = GatewayOptions(enforce_credentials=True)
    with running_gateway(services, options=options, identities=Known()) as url:
        good = client("s3", url, access_key="KEY", secret_key="right", signature_version="s3v4")
        good.create_bucket(Bucket="pictures")
        outcomes = {}
        for access_key, secret in [("KEY", "right"), ("KEY", "wrong"), ("OTHER", "right")]:
            s3 = client("s3", url, access_key=access_key, secret_key=secret, signature_version=version)
            form = signed(s3, "pictures", f"{access_key}-{secret}")
            response = post(form["url"], form["fields"])
            reading = s3.generate_presigned_url("get_object", {"Bucket": "pictures", "Key": "KEY-right"})
            outcomes[access_key, secret] = response.status, fetch(reading).status
        assert outcomes == {("KEY", "right"): (204, 200), ("KEY", "wrong"): (403, 403), ("OTHER", "right"): (403, 403)}
        assert post(f"{url}/pictures", {"key": "anonymous"}).status == 403
        assert [each["Key"] for each in good.list_objects_v2(Bucket="pictures")["Contents"]] == ["KEY-right"]
        assert fetch(f"{url}/pictures/KEY-right").status == 403
