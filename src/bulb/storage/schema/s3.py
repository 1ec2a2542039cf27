"""S3's tables.

One row of `s3_objects` is one version of one key. In a bucket that never had versioning there is at most one, called
`null`. `sequence` grows with every change of its bucket and orders the versions of a key; `is_latest` marks the one a
plain GET means (it may be a delete marker). Bytes live in blobs: one (`digest`) for an object written in one piece,
one a part (`s3_object_parts`) for an object put together by a multipart upload.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text

from bulb.storage.schema.base import ByteText, Real, RowId, metadata

buckets = Table(
    "s3_buckets",
    metadata,
    Column("name", ByteText, primary_key=True),
    Column("account", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("created_at", Real, nullable=False),
    Column("versioning", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("notifications", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("event_bridge", Boolean, nullable=False, server_default="0"),
    Index(None, "account", "name"),
)

objects = Table(
    "s3_objects",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("bucket", ByteText, ForeignKey("s3_buckets.name"), nullable=False),
    Column("key", ByteText, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("is_latest", Boolean, nullable=False),
    Column("is_delete_marker", Boolean, nullable=False),
    Column("last_modified", Real, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_value", Text),
    Column("checksum_type", Text),
    Column("digest", Text),
    Column("parts_count", Integer),
    Column("upload_id", Text),
    Column("headers", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index(None, "bucket", "key", "sequence", unique=True),
    Index(None, "bucket", "is_latest", "key"),
)

object_parts = Table(
    "s3_object_parts",
    metadata,
    Column("object_id", RowId, ForeignKey("s3_objects.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("checksum", Text),
    Column("last_modified", Real, nullable=False),
)

uploads = Table(
    "s3_uploads",
    metadata,
    Column("upload_id", Text, primary_key=True),
    Column("bucket", ByteText, ForeignKey("s3_buckets.name"), nullable=False),
    Column("key", ByteText, nullable=False),
    Column("initiated_at", Real, nullable=False),
    Column("initiator", Text, nullable=False),
    Column("storage_class", Text, nullable=False),
    Column("checksum_algorithm", Text),
    Column("checksum_type", Text),
    Column("headers", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Index(None, "bucket", "key", "upload_id"),
)

upload_parts = Table(
    "s3_upload_parts",
    metadata,
    Column("upload_id", Text, ForeignKey("s3_uploads.upload_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", Text, nullable=False),
    Column("checksum", Text),
    Column("last_modified", Real, nullable=False),
)
