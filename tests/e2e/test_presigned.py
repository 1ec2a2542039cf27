"""Where credentials are required, presigned URLs and form policies allow what they say, for as long as they say."""

import base64

import pytest

from tests.support.bulb import Running
from tests.support.strict import (
    BUCKET,
    Keys,
    fetched,
    presigner,
    root_of,
    session_of,
)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls(own: Running, version: str) -> None:
    s3 = presigner(own, root_of(own), version)
    put = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "a b/ü"}, ExpiresIn=60)
    get = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "a b/ü"}, ExpiresIn=60)
    assert fetched(put, "PUT", b"by link", Content_Type="")[0] == 200
    assert fetched(get) == (200, b"by link")
    for changed in (get.replace("a%20b", "a%20c"), get.replace("Signature=", "Signature=0")):
        status, body = fetched(changed)
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True), changed
    assert b"SignatureDoesNotMatch" in fetched(get, "DELETE")[1]
    assert b"SignatureDoesNotMatch" in fetched(put)[1]
    own.clock.advance(61)
    status, body = fetched(get)
    assert (status, b"<Code>AccessDenied</Code>" in body, b"Request has expired" in body) == (403, True, True)
    assert fetched(put, "PUT", b"late", Content_Type="")[0] == 403


def test_presigned_urls_of_strangers_and_of_sessions(strict: Running, root: Keys) -> None:
    for access_key in ("AKIAIOSFODNN7EXAMPLE", "123456789012"):
        stranger = presigner(strict, {"access_key": access_key, "secret_key": "x"})
        url = stranger.generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
        assert b"<Code>InvalidAccessKeyId</Code>" in fetched(url)[1]
    session = session_of(strict.client("sts", **root).get_session_token()["Credentials"])
    url = presigner(strict, session).generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET})
    assert fetched(url)[0] == 200
    assert fetched(url.replace("X-Amz-Security-Token", "X-Amz-Nothing"))[0] == 403
    link = presigner(strict, root).generate_presigned_url("list_objects_v2", Params={"Bucket": BUCKET}, ExpiresIn=60)
    assert b"SignatureDoesNotMatch" in fetched(link.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"))[1]


def form(fields: dict[str, str], content: bytes) -> tuple[bytes, str]:
    boundary = "a-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    body = "".join(parts).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def test_form_uploads_are_held_to_their_policy(own: Running) -> None:
    s3 = presigner(own, root_of(own))
    conditions = [["content-length-range", 1, 10], {"acl": "private"}]
    post = s3.generate_presigned_post(BUCKET, "up/${filename}", {"acl": "private"}, conditions, ExpiresIn=60)

    def post_form(content: bytes = b"content", **changes: str) -> tuple[int, bytes]:
        body, kind = form({**post["fields"], **changes}, content)
        return fetched(post["url"], "POST", body, Content_Type=kind)

    assert post_form()[0] == 204
    assert s3.get_object(Bucket=BUCKET, Key="up/f")["Body"].read() == b"content"
    refused = [
        (post_form(key="elsewhere"), b"AccessDenied"),
        (post_form(acl="public-read"), b"AccessDenied"),
        (post_form(content=b"x" * 11), b"EntityTooLarge"),
        (post_form(**{"x-amz-signature": "0" * 64}), b"SignatureDoesNotMatch"),
        (
            post_form(policy=base64.b64encode(b'{"expiration":"2999-01-01T00:00:00Z","conditions":[]}').decode()),
            b"Signature",
        ),
        (
            post_form(**{"x-amz-credential": post["fields"]["x-amz-credential"].replace("AKIA", "AKIB")}),
            b"InvalidAccessKey",
        ),
    ]
    for (status, body), code in refused:
        assert status in (400, 403)
        assert code in body
    body, kind = form({"key": "anonymous"}, b"content")
    assert fetched(f"{own.url}/{BUCKET}", "POST", body, Content_Type=kind)[0] == 403
    own.clock.advance(61)
    status, body = post_form()
    assert (status, b"AccessDenied" in body) == (403, True)
    assert [item["Key"] for item in own.client("s3", **root_of(own)).list_objects_v2(Bucket=BUCKET)["Contents"]] == [
        "up/f"
    ]
