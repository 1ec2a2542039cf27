"""GetObjectAttributes."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.services.s3 import checksums
from bulb.services.s3.api.base import Operations, present, told_version
from bulb.services.s3.model import ObjectVersion, Part, moment
from bulb.services.s3.rules import page_size


class AttributeOperations(Operations):
    """What there is to know about an object without reading it."""

    async def get_object_attributes(self, call: Call) -> Answer:
        """Those of the attributes that were asked for."""
        params = call.params
        bucket = await self._bucket(call)
        version = await self._version(bucket, params["Key"], params.get("VersionId"))
        wanted = set(params["ObjectAttributes"])
        answer = present(
            LastModified=moment(version.last_modified),
            VersionId=told_version(bucket, version),
            ETag=version.etag if "ETag" in wanted else None,
            StorageClass=version.description.storage_class if "StorageClass" in wanted else None,
            ObjectSize=version.size if "ObjectSize" in wanted else None,
        )
        if "Checksum" in wanted and version.checksum is not None:
            answer["Checksum"] = checksums.member(version.checksum)
        if "ObjectParts" in wanted and version.parts_count is not None:
            answer["ObjectParts"] = _parts(params, version, await self._store.objects.parts(version))
        return answer


def _parts(params: dict[str, Any], version: ObjectVersion, parts: list[Part]) -> dict[str, Any]:
    """A page of the parts; they are told one by one only where they have checksums."""
    after, limit = int(params.get("PartNumberMarker") or 0), page_size(params, "MaxParts", "x-amz-max-parts")
    answer: dict[str, Any] = {"TotalPartsCount": len(parts)}
    if version.checksum is None:
        return answer
    rest = [part for part in parts if part.number > after]
    page = rest[:limit]
    name = f"Checksum{version.checksum.algorithm}"
    return answer | {
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": len(rest) > limit,
        "Parts": [present(PartNumber=part.number, Size=part.size, **{name: part.checksum}) for part in page],
    }
