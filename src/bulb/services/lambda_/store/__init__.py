"""What Lambda keeps: the only files of this room that touch the database, one a kind of resource."""

from bulb.services.lambda_.store.concurrency import ConcurrencyStore
from bulb.services.lambda_.store.functions import LambdaStore, Tags

__all__ = ["ConcurrencyStore", "LambdaStore", "Tags"]
