"""What the storage room refuses. Each text is one sentence saying what happened and what to do."""

from bulb.core.errors import BulbError


class StorageError(BulbError):
    """The root of this room's errors."""


class DatabaseRefusedError(StorageError):
    """The database cannot be opened safely; nothing was changed."""


class DatabaseClosedError(StorageError):
    """A read or a write came after `close()`, or after the writer died."""


class NotCommittedError(StorageError):
    """The commit failed, so the write is not durable. Nothing of it may be taken as stored."""


class BlobMissingError(StorageError):
    """A blob that a row names is not on disk."""
