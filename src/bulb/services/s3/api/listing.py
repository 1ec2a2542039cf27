"""ListObjects, ListObjectsV2, ListObjectVersions."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from bulb.core.calls import Answer, Call
from bulb.services.s3.api.base import Operations, owner, present, quoted
from bulb.services.s3.listing import Page, Position, Question, after_key, entry_of, token
from bulb.services.s3.model import Bucket, ObjectVersion, moment
from bulb.services.s3.rules import page_size

Encode = Callable[[str], str]


class ListingOperations(Operations):
    """The keys of a bucket, a page at a time."""

    async def list_objects(self, call: Call) -> Answer:
        """Version 1: continues behind a key."""
        bucket = await self._bucket(call)
        params, question = call.params, asked(call.params, "MaxKeys", "max-keys")
        marker = params.get("Marker") or ""
        start = after_key(marker, question.prefix, question.delimiter) if marker else Position()
        page = await self._store.listings.objects(question, start)
        encode = encoder(params)
        answer = self._page(bucket, params, page, encode, with_owner=True)
        if page.is_truncated and question.delimiter:
            answer["NextMarker"] = encode(_key_of(page))
        return {**answer, "Marker": encode(marker)}

    async def list_objects_v2(self, call: Call) -> Answer:
        """Version 2: continues with an opaque token."""
        bucket = await self._bucket(call)
        params, question = call.params, asked(call.params, "MaxKeys", "max-keys")
        continued, after = params.get("ContinuationToken"), params.get("StartAfter") or ""
        start: Position | None = Position(after, inclusive=not after)
        if continued is not None:
            start = after_key(entry_of(continued), question.prefix, question.delimiter)
        page = await self._store.listings.objects(question, start)
        encode = encoder(params)
        answer = self._page(bucket, params, page, encode, with_owner=bool(params.get("FetchOwner")))
        answer |= present(
            KeyCount=len(page.rows) + len(page.prefixes),
            ContinuationToken=continued,
            StartAfter=encode(after) if after else None,
            NextContinuationToken=token(_key_of(page)) if page.is_truncated else None,
        )
        return answer

    async def list_object_versions(self, call: Call) -> Answer:
        """Every version and delete marker, the newest of a key first."""
        bucket = await self._bucket(call)
        params, question = call.params, asked(call.params, "MaxKeys", "max-keys")
        key_marker, version_marker = params.get("KeyMarker") or "", params.get("VersionIdMarker")
        page = await self._store.listings.versions(question, key_marker, version_marker)
        encode = encoder(params)
        owned = owner(bucket.account)
        versions = [_version(row, encode, owned) for row in page.rows if not row.is_delete_marker]
        markers = [_marker(row, encode, owned) for row in page.rows if row.is_delete_marker]
        last = page.last if page.is_truncated else None
        return present(
            **_frame(params, question, page, encode),
            Name=bucket.name,
            KeyMarker=encode(key_marker),
            VersionIdMarker=version_marker or "",
            NextKeyMarker=encode(_key_of(page)) if last is not None else None,
            NextVersionIdMarker=last.version_id if isinstance(last, ObjectVersion) else None,
            Versions=versions or None,
            DeleteMarkers=markers or None,
        )

    def _page(
        self, bucket: Bucket, params: dict[str, Any], page: Page[ObjectVersion], encode: Encode, *, with_owner: bool
    ) -> Answer:
        owned = owner(bucket.account) if with_owner else None
        contents = [_entry(row, encode, owned) for row in page.rows]
        frame = _frame(params, asked(params, "MaxKeys", "max-keys"), page, encode)
        return present(**frame, Name=bucket.name, Contents=contents or None)


def asked(params: dict[str, Any], limit: str, argument: str) -> Question:
    """What a listing asks. `limit` is the parameter that bounds a page, `argument` its name on the wire."""
    return Question(
        params["Bucket"],
        params.get("Prefix") or "",
        params.get("Delimiter") or "",
        page_size(params, limit, argument),
    )


def encoder(params: dict[str, Any]) -> Encode:
    """How keys are written: percent-encoded where the client asked for it."""
    return (lambda text: quote(text, safe="/")) if params.get("EncodingType") == "url" else (lambda text: text)


def rolled(page: Page[Any], encode: Encode) -> list[dict[str, str]] | None:
    """The `CommonPrefixes` of a page."""
    return [{"Prefix": encode(prefix)} for prefix in page.prefixes] or None


def _frame(params: dict[str, Any], question: Question, page: Page[ObjectVersion], encode: Encode) -> dict[str, Any]:
    """What every page tells about itself."""
    return present(
        Prefix=encode(question.prefix),
        Delimiter=encode(question.delimiter) if question.delimiter else None,
        MaxKeys=question.limit,
        IsTruncated=page.is_truncated,
        CommonPrefixes=rolled(page, encode),
        EncodingType=params.get("EncodingType"),
    )


def _key_of(page: Page[ObjectVersion]) -> str:
    return page.last if isinstance(page.last, str) else page.last.key if page.last is not None else ""


def _entry(row: ObjectVersion, encode: Encode, owned: dict[str, str] | None) -> dict[str, Any]:
    checksum = row.checksum
    return present(
        Key=encode(row.key),
        LastModified=moment(row.last_modified),
        ETag=quoted(row.etag),
        Size=row.size,
        StorageClass=row.description.storage_class,
        ChecksumAlgorithm=[checksum.algorithm] if checksum else None,
        ChecksumType=checksum.type if checksum else None,
        Owner=owned,
    )


def _version(row: ObjectVersion, encode: Encode, owned: dict[str, str]) -> dict[str, Any]:
    return {**_entry(row, encode, owned), "VersionId": row.version_id, "IsLatest": row.is_latest}


def _marker(row: ObjectVersion, encode: Encode, owned: dict[str, str]) -> dict[str, Any]:
    return {
        "Key": encode(row.key),
        "VersionId": row.version_id,
        "IsLatest": row.is_latest,
        "LastModified": moment(row.last_modified),
        "Owner": owned,
    }
