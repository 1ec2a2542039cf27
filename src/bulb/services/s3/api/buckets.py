"""Buckets themselves, and the questions about them that have one true answer here."""

import re

from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError
from bulb.services.s3 import errors
from bulb.services.s3.api.base import Operations, owner, present
from bulb.services.s3.listing import entry_of, token
from bulb.services.s3.model import Bucket, moment
from bulb.services.s3.rules import MAX_BUCKET_TAGS, check_bucket_name, check_tags, refuse_unsupported

_HOME_REGION = "us-east-1"
_REGION = re.compile("[a-z]{2,5}(-[a-z]+)+-[0-9]+")
_MAX_BUCKETS = 10_000


class BucketOperations(Operations):
    """CreateBucket, DeleteBucket, HeadBucket, ListBuckets, GetBucketLocation and the default answers."""

    async def create_bucket(self, call: Call) -> Answer:
        """Create a bucket in the region of the call; a second time it is an error, except in us-east-1."""
        refuse_unsupported(call.params)
        name = call.params["Bucket"]
        check_bucket_name(name)
        if call.params.get("ObjectOwnership", "BucketOwnerEnforced") != "BucketOwnerEnforced":
            raise errors.not_implemented("x-amz-object-ownership", "access control lists")
        if call.params.get("BucketNamespace", "global") != "global":
            raise errors.not_implemented("x-amz-bucket-namespace", "account-regional bucket namespaces")
        configuration = call.params.get("CreateBucketConfiguration") or {}
        if configuration.get("Location") or configuration.get("Bucket"):
            raise AwsError("NotImplemented", "Bulb does not support directory buckets yet.", status=501)
        tags = check_tags(((tag["Key"], tag["Value"]) for tag in configuration.get("Tags") or ()), MAX_BUCKET_TAGS)
        region = _region(call.region, configuration.get("LocationConstraint"))
        bucket = Bucket(name, call.account, region, self._clock.now(), tags=tags)
        existing = await self._store.buckets.create(bucket)
        if existing is not None:
            _refuse_second(existing, bucket)
        return {"Location": f"/{name}", "BucketArn": bucket.arn}

    async def delete_bucket(self, call: Call) -> Answer:
        """Delete an empty bucket."""
        bucket = await self._bucket(call)
        await self._store.buckets.delete(bucket.name)
        return {}

    async def head_bucket(self, call: Call) -> Answer:
        """Tell the bucket's region."""
        bucket = await self._bucket(call)
        return {"BucketRegion": bucket.region, "BucketArn": bucket.arn, "AccessPointAlias": False}

    async def list_buckets(self, call: Call) -> Answer:
        """The account's buckets in order of name."""
        limit = call.params.get("MaxBuckets", _MAX_BUCKETS)
        if not 1 <= limit <= _MAX_BUCKETS:
            message = f"Argument max-buckets must be an integer between 1 and {_MAX_BUCKETS}"
            raise errors.invalid_argument(message, "max-buckets", str(limit))
        continued = call.params.get("ContinuationToken")
        prefix = call.params.get("Prefix", "")
        after = entry_of(continued) if continued else ""
        found = await self._store.buckets.listed(
            call.account, prefix, call.params.get("BucketRegion"), after, limit + 1
        )
        buckets = [
            {
                "Name": bucket.name,
                "CreationDate": moment(bucket.created_at),
                "BucketRegion": bucket.region,
                "BucketArn": bucket.arn,
            }
            for bucket in found[:limit]
        ]
        return present(
            Buckets=buckets,
            Owner=owner(call.account),
            Prefix=prefix or None,
            ContinuationToken=token(found[limit - 1].name) if len(found) > limit else None,
        )

    async def get_bucket_location(self, call: Call) -> Answer:
        """The region; us-east-1 is told as nothing."""
        bucket = await self._bucket(call)
        return {} if bucket.region == _HOME_REGION else {"LocationConstraint": bucket.region}

    async def get_bucket_acl(self, call: Call) -> Answer:
        """The owner may do everything, nobody else anything: the only list there is."""
        return _owners_list((await self._bucket(call)).account)

    async def get_object_acl(self, call: Call) -> Answer:
        """The list of the bucket."""
        bucket = await self._bucket(call)
        await self._version(bucket, call.params["Key"], call.params.get("VersionId"))
        return _owners_list(bucket.account)


def _region(caller_region: str, constraint: str | None) -> str:
    """The region of a new bucket, by the rule that elsewhere than in us-east-1 the constraint must say it."""
    if constraint == "EU":
        constraint = "eu-west-1"
    if constraint == _HOME_REGION or (constraint and not _REGION.fullmatch(constraint)):
        raise AwsError("InvalidLocationConstraint", "The specified location-constraint is not valid")
    if constraint is None and caller_region != _HOME_REGION:
        raise _illegal_location("unspecified")
    if constraint is not None and caller_region not in (constraint, _HOME_REGION):
        raise _illegal_location(constraint)
    return constraint or caller_region


def _illegal_location(constraint: str) -> AwsError:
    return AwsError(
        "IllegalLocationConstraintException",
        f"The {constraint} location constraint is incompatible for the region specific endpoint this request was "
        "sent to.",
    )


def _refuse_second(existing: Bucket, wanted: Bucket) -> None:
    members = {"BucketName": existing.name}
    if existing.account != wanted.account:
        message = (
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
            "Please select a different name and try again."
        )
        raise AwsError("BucketAlreadyExists", message, status=409, members=members)
    if not existing.region == wanted.region == _HOME_REGION:
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise AwsError("BucketAlreadyOwnedByYou", message, status=409, members=members)


def _owners_list(account: str) -> Answer:
    grantee = {"Type": "CanonicalUser", **owner(account)}
    return {"Owner": owner(account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}
