"""Amazon S3: buckets, objects and the events that uploads cause. See DESIGN.md.

`S3Api` answers the operations, `S3Store` keeps what they promise, `ObjectReader` lets other rooms read an object.
"""

from bulb.services.s3.api import S3Api
from bulb.services.s3.arrivals import Arrivals
from bulb.services.s3.needs import needs
from bulb.services.s3.ports import IdentitySigners, NotificationTargets, PostSigners
from bulb.services.s3.reader import ObjectReader
from bulb.services.s3.store import S3Store

__all__ = [
    "Arrivals",
    "IdentitySigners",
    "NotificationTargets",
    "ObjectReader",
    "PostSigners",
    "S3Api",
    "S3Store",
    "needs",
]
