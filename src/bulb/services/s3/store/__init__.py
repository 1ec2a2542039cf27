"""What S3 keeps: the only files of this room that touch the database.

A change is one function of a connection, run by the one writer: the row, the references to its blobs, the release of
what it replaces and the events it causes are one transaction. The blob a row names is on disk before it.
"""

from dataclasses import dataclass

from bulb.services.s3.store.buckets import BucketStore
from bulb.services.s3.store.contents import ContentStore
from bulb.services.s3.store.listings import ListingStore
from bulb.services.s3.store.objects import ObjectStore
from bulb.services.s3.store.uploads import UploadStore
from bulb.storage.blobs import BlobStore
from bulb.storage.database import Database


@dataclass(frozen=True, slots=True)
class S3Store:
    """The stores of one database and one blob folder."""

    buckets: BucketStore
    contents: ContentStore
    listings: ListingStore
    objects: ObjectStore
    uploads: UploadStore

    @classmethod
    def over(cls, database: Database, blobs: BlobStore) -> "S3Store":
        """The stores over `database` and `blobs`."""
        return cls(
            buckets=BucketStore(database, blobs),
            contents=ContentStore(blobs),
            listings=ListingStore(database),
            objects=ObjectStore(database, blobs),
            uploads=UploadStore(database, blobs),
        )
