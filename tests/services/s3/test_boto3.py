"""What boto3 sees."""

import hashlib
import io
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.services.s3.conftest import Served

MIB = 1024**2


def fetch(url: str, method: str = "GET", data: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """A plain HTTP request; errors come back as responses."""
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        return urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        return error


def code(error: Any) -> tuple[str, int]:
    """Code and status of a ClientError."""
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_an_object_goes_there_and_back(served: Served, style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo  # not every machine knows that names under localhost are itself
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **named: resolve("127.0.0.1" if "localhost" in host else host, *rest, **named),
    )
    url = served.url.replace("127.0.0.1", "localhost") if style == "virtual" else served.url
    s3 = Served(url, served.folder, served.room).client(s3={"addressing_style": style})
    name = f"{style}-pictures"
    s3.create_bucket(Bucket=name)
    key = "a folder/ünï+code&=?#%.txt"
    put = s3.put_object(Bucket=name, Key=key, Body=b"hello", ContentType="text/plain", Metadata={"x": "y"})
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ChecksumCRC32"] == "NhCmhg=="
    got = s3.get_object(Bucket=name, Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["Metadata"], got["ChecksumCRC32"]) == ("text/plain", {"x": "y"}, "NhCmhg==")
    assert s3.head_object(Bucket=name, Key=key)["ContentLength"] == 5
    partial = s3.get_object(Bucket=name, Key=key, Range="bytes=1-3")
    assert (partial["Body"].read(), partial["ContentRange"]) == (b"ell", "bytes 1-3/5")
    assert partial["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=name)["Contents"]] == [key]
    assert [each["Key"] for each in s3.list_objects(Bucket=name)["Contents"]] == [key]
    s3.delete_object(Bucket=name, Key=key)
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=name, Key=key)
    with pytest.raises(ClientError) as absent:
        s3.head_object(Bucket=name, Key=key)
    assert code(absent) == ("404", 404)
    s3.delete_bucket(Bucket=name)


def test_buckets(served: Served, s3: Any) -> None:
    s3.create_bucket(Bucket="one-bucket")
    s3.create_bucket(Bucket="one-bucket")
    assert "one-bucket" in [each["Name"] for each in s3.list_buckets()["Buckets"]]
    assert s3.list_buckets(Prefix="one-b")["Buckets"][0]["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="one-bucket")["LocationConstraint"] is None
    assert s3.head_bucket(Bucket="one-bucket")["BucketRegion"] == "us-east-1"
    acl = s3.get_bucket_acl(Bucket="one-bucket")
    assert acl["Grants"] == [
        {"Grantee": {"ID": acl["Owner"]["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
    ]
    with pytest.raises(ClientError) as absent:
        s3.head_bucket(Bucket="no-such-bucket")
    assert code(absent) == ("404", 404)
    s3.put_object(Bucket="one-bucket", Key="k")
    with pytest.raises(ClientError) as full:
        s3.delete_bucket(Bucket="one-bucket")
    assert code(full) == ("BucketNotEmpty", 409)
    europe = served.client(region="eu-west-1")
    with pytest.raises(ClientError) as unspecified:
        europe.create_bucket(Bucket="euro-bucket")
    assert code(unspecified) == ("IllegalLocationConstraintException", 400)
    for nowhere in ("us-east-1", "Paris"):  # the first has no constraint
        with pytest.raises(ClientError) as wrong:
            s3.create_bucket(Bucket="euro-bucket", CreateBucketConfiguration={"LocationConstraint": nowhere})
        assert code(wrong) == ("InvalidLocationConstraint", 400)
    there = {"LocationConstraint": "eu-west-1"}
    europe.create_bucket(Bucket="euro-bucket", CreateBucketConfiguration=there)
    assert europe.get_bucket_location(Bucket="euro-bucket")["LocationConstraint"] == "eu-west-1"
    with pytest.raises(europe.exceptions.BucketAlreadyOwnedByYou):
        europe.create_bucket(Bucket="euro-bucket", CreateBucketConfiguration=there)
    with pytest.raises(europe.exceptions.BucketAlreadyExists):
        served.client(access_key="111111111111").create_bucket(Bucket="euro-bucket")


@pytest.mark.parametrize("name", ["UPPER", "ab", "a..b", "192.168.1.1", "-abc", "abc-", "xn--abc", "a_b"])
def test_a_name_no_bucket_may_have(served: Served, name: str) -> None:
    response = fetch(f"{served.url}/{name}", "PUT")
    assert (response.status, b"InvalidBucketName" in response.read()) == (400, True)


def test_buckets_page_by_page(served: Served) -> None:
    s3 = served.client(access_key="222222222222")
    names = [f"paged-{n}" for n in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = list(s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 2}))
    assert [[each["Name"] for each in page["Buckets"]] for page in pages] == [names[:2], names[2:4], names[4:]]


def test_a_large_file_in_parts(s3: Any, bucket: str) -> None:
    data = bytes(range(256)) * (4096 * 17) + b"end"
    s3.upload_fileobj(io.BytesIO(data), bucket, "large", ExtraArgs={"Metadata": {"m": "v"}})
    head = s3.head_object(Bucket=bucket, Key="large")
    assert head["ETag"].endswith('-3"')
    assert (head["ContentLength"], head["Metadata"]) == (len(data), {"m": "v"})
    target = io.BytesIO()
    s3.download_fileobj(bucket, "large", target)
    assert target.getvalue() == data
    across = s3.get_object(Bucket=bucket, Key="large", Range=f"bytes={8 * MIB - 2}-{8 * MIB + 1}")["Body"].read()
    assert across == data[8 * MIB - 2 : 8 * MIB + 2]
    part = s3.get_object(Bucket=bucket, Key="large", PartNumber=3)
    assert (part["PartsCount"], part["Body"].read()) == (3, data[16 * MIB :])
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="large", ObjectAttributes=["ETag", "ObjectSize", "ObjectParts", "StorageClass", "Checksum"]
    )
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(data), 3)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "large"})
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    s3.delete_object(Bucket=bucket, Key="large")
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == data


def test_multipart_by_hand(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ContentType="a/b", Tagging="t=1")["UploadId"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    first = s3.upload_part(**named, PartNumber=1, Body=b"a" * 5 * MIB)["ETag"]
    small = s3.upload_part(**named, PartNumber=2, Body=b"small")["ETag"]
    last = s3.upload_part(**named, PartNumber=7, Body=b"last")["ETag"]
    assert [each["PartNumber"] for each in s3.list_parts(**named)["Parts"]] == [1, 2, 7]
    paged = s3.get_paginator("list_parts").paginate(**named, PaginationConfig={"PageSize": 1})
    assert [each["Parts"][0]["PartNumber"] for each in paged] == [1, 2, 7]
    assert [each["Key"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == ["k"]

    def complete(*parts: tuple[int, str], **further: Any) -> Any:
        chosen = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
        return s3.complete_multipart_upload(**named, MultipartUpload=chosen, **further)

    for parts, expected in [
        (((2, small), (1, first)), "InvalidPartOrder"),
        (((1, small),), "InvalidPart"),
        (((3, small),), "InvalidPart"),
        (((1, first), (2, small), (7, last)), "EntityTooSmall"),
        ((), "MalformedXML"),
    ]:
        with pytest.raises(ClientError) as refused:
            complete(*parts)
        assert code(refused)[0] == expected
    done = complete((1, first), (7, last))
    digest = hashlib.md5(bytes.fromhex(first.strip('"')) + bytes.fromhex(last.strip('"'))).hexdigest()
    assert done["ETag"] == f'"{digest}-2"'
    assert complete((1, first), (7, last))["ETag"] == done["ETag"]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["ContentType"], got["TagCount"], got["Body"].read()) == ("a/b", 1, b"a" * 5 * MIB + b"last")
    with pytest.raises(s3.exceptions.NoSuchUpload):
        s3.abort_multipart_upload(**named)
    other = s3.create_multipart_upload(Bucket=bucket, Key="k2")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="k2", UploadId=other)
    with pytest.raises(ClientError) as gone:
        s3.upload_part(Bucket=bucket, Key="k2", UploadId=other, PartNumber=1, Body=b"")
    assert code(gone) == ("NoSuchUpload", 404)


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_checksums_of_parts(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    bodies = [bytes(range(256)) * (5 * MIB // 256), b"the rest"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind)
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(**named, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        field = f"Checksum{algorithm}"
        parts.append({"PartNumber": number, "ETag": part["ETag"], field: part[field]})
    done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert done["ChecksumType"] == kind
    whole = s3.put_object(Bucket=bucket, Key="whole", Body=b"".join(bodies), ChecksumAlgorithm=algorithm)
    if kind == "FULL_OBJECT":
        assert done[field] == whole[field]
    else:
        assert done[field].endswith("-2")
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[field], head["ChecksumType"]) == (done[field], kind)


def test_parts_copied(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=b"0" * 5 * MIB + b"tail")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    named = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    source = {"Bucket": bucket, "Key": "source"}
    whole = s3.upload_part_copy(**named, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    tail = s3.upload_part_copy(
        **named, PartNumber=2, CopySource=source, CopySourceRange=f"bytes={5 * MIB}-{5 * MIB + 3}"
    )["CopyPartResult"]["ETag"]
    with pytest.raises(ClientError) as outside:
        s3.upload_part_copy(**named, PartNumber=3, CopySource=source, CopySourceRange=f"bytes=0-{6 * MIB}")
    assert code(outside) == ("InvalidArgument", 400)
    parts = [{"PartNumber": 1, "ETag": whole}, {"PartNumber": 2, "ETag": tail}]
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0" * 5 * MIB + b"tailtail"


def test_tags(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Tagging="a=1")
    tags = [{"Key": "b", "Value": "2"}, {"Key": "c", "Value": ""}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    with pytest.raises(ClientError) as twice:
        s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags + tags})
    assert code(twice) == ("InvalidTag", 400)
    with pytest.raises(ClientError) as none:
        s3.get_bucket_tagging(Bucket=bucket)
    assert code(none) == ("NoSuchTagSet", 404)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)


def test_versions(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    with pytest.raises(ClientError) as wrong:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "On"})
    assert code(wrong) == ("MalformedXML", 400)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"second")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"first"
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"before"
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"]
    with pytest.raises(s3.exceptions.NoSuchKey) as hidden:
        s3.get_object(Bucket=bucket, Key="k")
    assert hidden.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert code(refused) == ("MethodNotAllowed", 405)
    listed = s3.list_object_versions(Bucket=bucket)
    assert [each["VersionId"] for each in listed["Versions"]] == [second, first, "null"]
    assert [(each["VersionId"], each["IsLatest"]) for each in listed["DeleteMarkers"]] == [(marker["VersionId"], True)]
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"suspended")
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [each["VersionId"] for each in listed] == ["null", first]
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key="k", VersionId="nonsense")
    assert code(missing) == ("NoSuchVersion", 404)
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1})
    seen = [each["VersionId"] for page in pages for each in page.get("Versions", []) + page.get("DeleteMarkers", [])]
    assert seen == ["null", first]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(served: Served, bucket: str, version: str) -> None:
    s3 = served.client(signature_version=version)
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b", "ContentType": "text/x"})
    assert fetch(url, "PUT", b"signed", {"content-type": "text/x"}).status == 200
    override = {"Bucket": bucket, "Key": "a b", "ResponseContentType": "text/y", "ResponseContentDisposition": "inline"}
    response = fetch(s3.generate_presigned_url("get_object", override))
    assert response.read() == b"signed"
    assert (response.headers["content-type"], response.headers["content-disposition"]) == ("text/y", "inline")
    for value, status in [("a\r\nset-cookie: b=c", 400), ("attachment; filename=漢", 200)]:
        strange = {"Bucket": bucket, "Key": "a b", "ResponseContentDisposition": value}
        assert fetch(s3.generate_presigned_url("get_object", strange)).status == status
    etag = response.headers["etag"]
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"})
    unchanged = fetch(url, headers={"if-none-match": etag})
    assert (unchanged.status, unchanged.read(), unchanged.headers["etag"]) == (304, b"", etag)
    late = fetch(s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=-10))
    assert (late.status, b"AccessDenied" in late.read()) in [(403, True), (400, False)]


def test_pages_of_keys(s3: Any, bucket: str) -> None:
    for key in ("a/1", "a/2", "b", "c/1/x", "c/2", "d d", "ü"):
        s3.put_object(Bucket=bucket, Key=key)
    paginator = s3.get_paginator("list_objects_v2")
    pages = list(paginator.paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}))
    entries = [
        [each["Prefix"] for each in page.get("CommonPrefixes", [])] + [each["Key"] for each in page.get("Contents", [])]
        for page in pages
    ]
    assert entries == [["a/", "b"], ["c/", "d d"], ["ü"]]
    old = list(
        s3.get_paginator("list_objects").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
    )
    assert len(old) == 5
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="c/")["Contents"]] == ["c/1/x", "c/2"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="c/1/x", FetchOwner=True)["Contents"]
    assert [each["Key"] for each in after] == ["c/2", "d d", "ü"]
    assert len(after[0]["Owner"]["ID"]) == 64
    none = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)
    with pytest.raises(ClientError) as wrong:
        s3.list_objects_v2(Bucket=bucket, ContinuationToken="nonsense")
    assert code(wrong) == ("InvalidArgument", 400)


def test_a_wrong_digest_is_refused_and_nothing_stored(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert code(refused) == ("BadDigest", 400)
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumSHA256="A" * 43 + "=")
    assert code(refused) == ("BadDigest", 400)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_what_is_not_there_is_not_implemented(s3: Any, served: Served, bucket: str) -> None:
    """Every operation of the model has a method, or says that it is not implemented."""
    from botocore import xform_name

    model = s3.meta.service_model
    absent = [name for name in model.operation_names if not hasattr(served.room.api, xform_name(name))]
    assert "GetBucketPolicy" in absent
    assert "PutObject" not in absent
    for name in absent:
        shape = model.operation_model(name).input_shape
        parameters = _least(shape)
        if name == "UpdateObjectEncryption":
            parameters["ObjectEncryption"]["SSEKMS"]["KMSKeyArn"] = "at least twenty letters"
        if name in ("WriteGetObjectResponse", "GetBucketNotification", "PutBucketNotification"):
            continue  # the first has a host of its own, the others reach the operation that replaced them
        with pytest.raises(ClientError) as refused:
            s3._make_api_call(name, parameters)
        assert code(refused) == ("NotImplemented", 501), name
        if not name.endswith("Lifecycle"):  # these share their address with their successors
            assert name in refused.value.response["Error"]["Message"]


def _least(shape: Any) -> Any:
    """The smallest value botocore lets through."""
    if shape is None:
        return {}
    if shape.type_name == "structure":
        names = list(shape.members)[:1] if shape.is_tagged_union else shape.required_members
        return {name: _least(shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [_least(shape.member)]
    simple = {"map": {}, "boolean": True, "integer": 1, "long": 1, "double": 1.0, "timestamp": 0, "blob": b""}
    return simple.get(shape.type_name, next(iter(getattr(shape, "enum", None) or ["some-name"])))


def test_notifications_are_judged_by_s3_itself(s3: Any, bucket: str) -> None:
    """A client is told what the room says of them, not what the model does."""
    function = "arn:aws:lambda:us-east-1:000000000000:function:f"

    def put(event: str, name: str) -> None:
        rules = {"Key": {"FilterRules": [{"Name": name, "Value": "in/"}]}}
        entry = {"LambdaFunctionArn": function, "Events": [event], "Filter": rules}
        whole = {"LambdaFunctionConfigurations": [entry]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=whole)

    put("s3:ObjectCreated:*", "PREFIX")
    for event, name, words in (
        ("s3:ObjectCreated:*", "middle", "filter rule name must be either prefix or suffix"),
        ("s3:Nothing", "prefix", "A specified event is not supported for notifications"),
    ):
        with pytest.raises(ClientError, match=words) as wrong:
            put(event, name)
        assert code(wrong) == ("InvalidArgument", 400)
