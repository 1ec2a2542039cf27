"""The operations: one coroutine method each, named as boto3 names them. One without a method is one Bulb lacks."""

from bulb.services.s3.api.attributes import AttributeOperations
from bulb.services.s3.api.buckets import BucketOperations
from bulb.services.s3.api.deletes import DeleteOperations
from bulb.services.s3.api.listing import ListingOperations
from bulb.services.s3.api.multipart import MultipartOperations
from bulb.services.s3.api.notifications import NotificationOperations
from bulb.services.s3.api.objects import ObjectOperations
from bulb.services.s3.api.post import PostOperations
from bulb.services.s3.api.tagging import TaggingOperations
from bulb.services.s3.api.versioning import VersioningOperations


class S3Api(
    AttributeOperations,
    BucketOperations,
    DeleteOperations,
    ListingOperations,
    MultipartOperations,  # with CopyObject, whose source a part may have too
    NotificationOperations,
    ObjectOperations,
    PostOperations,
    TaggingOperations,
    VersioningOperations,
):
    """Amazon S3."""
