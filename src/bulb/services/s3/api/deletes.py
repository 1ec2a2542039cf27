"""DeleteObject, DeleteObjects."""

from typing import Any

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations, present
from bulb.services.s3.model import Removal, Removed
from bulb.services.s3.rules import MAX_PAGE, check_key


class DeleteOperations(Operations):
    """Objects removed."""

    async def delete_object(self, call: Call) -> Answer:
        """Delete an object; one that is not there is no error."""
        bucket = await self._bucket(call)
        check_key(call.params["Key"])
        removal = Removal(
            bucket.name, call.params["Key"], call.params.get("VersionId") or None, call.params.get("IfMatch")
        )
        removed = await self._store.objects.remove(removal, self._origin(call))
        return present(DeleteMarker=removed.is_delete_marker or None, VersionId=removed.version_id)

    async def delete_objects(self, call: Call) -> Answer:
        """Delete up to 1,000 objects in one transaction; each has its own outcome."""
        bucket = await self._bucket(call)
        entries = call.params["Delete"].get("Objects") or []
        if not 1 <= len(entries) <= MAX_PAGE:
            raise errors.malformed_xml()
        removals = [_removal(bucket.name, entry) for entry in entries]
        allowed = [each for each in removals if isinstance(each, Removal)]
        done = iter(await self._store.objects.remove_many(allowed, self._origin(call)))
        outcomes = [next(done) if isinstance(each, Removal) else each for each in removals]
        answer: Answer = {}
        pairs = list(zip(entries, outcomes, strict=True))
        failures = [_failure(entry, outcome) for entry, outcome in pairs if isinstance(outcome, AwsError)]
        if failures:
            answer["Errors"] = failures
        if not call.params["Delete"].get("Quiet"):
            answer["Deleted"] = [_deleted(entry, outcome) for entry, outcome in pairs if isinstance(outcome, Removed)]
        return answer


def _removal(bucket: str, entry: dict[str, Any]) -> Removal | AwsError:
    if entry.get("LastModifiedTime") is not None or entry.get("Size") is not None:
        return AwsError("NotImplemented", "Bulb does not support directory buckets yet.", status=501)
    try:
        check_key(entry["Key"])
    except AwsError as error:
        return error
    return Removal(bucket, entry["Key"], entry.get("VersionId") or None, entry.get("ETag"))


def _failure(entry: dict[str, Any], error: AwsError) -> dict[str, Any]:
    return present(Key=entry["Key"], VersionId=entry.get("VersionId"), Code=error.code, Message=error.message)


def _deleted(entry: dict[str, Any], removed: Removed) -> dict[str, Any]:
    return present(
        Key=entry["Key"],
        VersionId=entry.get("VersionId"),
        DeleteMarker=removed.is_delete_marker or None,
        DeleteMarkerVersionId=removed.version_id if removed.is_delete_marker else None,
    )
