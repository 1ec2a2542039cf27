"""What other rooms put into buckets: an object is written as a PUT would write it, with the events that causes."""

from sqlalchemy import Connection

from bulb.core.arn import parse_arn
from bulb.core.errors import AwsError
from bulb.core.ids import request_id
from bulb.delivery.model import Finish, Refusal
from bulb.services.s3.model import Content, Description, Origin, Write, principal_id
from bulb.services.s3.store import S3Store
from bulb.services.s3.store.change import Change
from bulb.storage.blobs import BlobStore
from bulb.storage.outbox import Entry
from bulb.wire.errors import HOST_ID


class Arrivals:
    """Puts outbox entries into buckets of the account they come from; the attribute `key` names the object."""

    def __init__(self, store: S3Store, blobs: BlobStore) -> None:
        self._store = store
        self._blobs = blobs

    async def prepare(self, entry: Entry, now: float) -> Finish:
        """Put the bytes on disk. What is returned makes them an object; it refuses when the bucket is not there."""
        received = await self._store.contents.receive(entry.payload, len(entry.payload))
        arn = parse_arn(entry.destination_arn)
        account = entry.attributes["account"]
        origin = Origin(
            request_id(), HOST_ID, principal_id(account), "127.0.0.1", now, entry.attributes.get("trace_header")
        )
        write = Write(
            bucket="" if arn is None else arn.resource,
            key=entry.attributes["key"],
            content=Content(received.size, received.etag, received.digest),
            description=Description({"ContentType": "application/json"}),
            event="ObjectCreated:Put",
            origin=origin,
        )

        def finish(connection: Connection) -> Refusal | None:
            try:
                change = Change.begin(connection, self._blobs, write.bucket, origin)
            except AwsError as error:
                return Refusal("NO_RESOURCE", error.message)
            if change.bucket.account != account:
                return Refusal("NO_PERMISSIONS", f"The bucket {write.bucket} is of another account.")
            change.put(write)
            return None

        return finish
