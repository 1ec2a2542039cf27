"""`multipart/form-data` as a stream: the fields first, then the one file, which is never held in memory.

S3's rule for form uploads: the file is the last field; whatever comes after it is ignored.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from bulb.core.errors import AwsError
from bulb.services.s3 import errors

MAX_FIELDS_BYTES = 20 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_MAX_BOUNDARY = 200


@dataclass(frozen=True, slots=True)
class Form:
    """The fields by lower-case name, and the file. `content` can be read once."""

    fields: Mapping[str, str]
    file_name: str
    content: AsyncIterator[bytes]


async def read_form(content_type: str, body: AsyncIterable[bytes]) -> Form:
    """Read up to the beginning of the file. Raises AwsError 400 for what is not such a form."""
    delimiter = b"\r\n--" + _boundary(content_type)
    source = _Source(body)
    fields: dict[str, str] = {}
    taken = 0
    await source.until(delimiter, _MAX_HEADER_BYTES)
    while await source.until(b"\r\n", _MAX_HEADER_BYTES) == b"":
        header = HeaderParser().parsestr(
            (await source.until(b"\r\n\r\n", _MAX_HEADER_BYTES)).decode("utf-8", "replace")
        )
        name = _parameter(header, "name").lower()
        if name == "file":
            return Form(fields, _parameter(header, "filename"), source.stream(delimiter))
        value = await source.until(delimiter, MAX_FIELDS_BYTES)
        taken += len(name) + len(value)
        if taken > MAX_FIELDS_BYTES:
            raise _too_much()
        fields[name] = value.decode("utf-8", "replace")
    raise errors.invalid_argument("POST requires exactly one file upload per request.", "file", "0")


class _Source:
    """Bytes up to a marker, at once or as a stream."""

    def __init__(self, body: AsyncIterable[bytes]) -> None:
        self._body = aiter(body)
        # The first boundary has no line break before it; this makes it look like the others.
        self._buffer = bytearray(b"\r\n")

    async def until(self, marker: bytes, limit: int) -> bytes:
        """What comes before `marker`, which is skipped; at most `limit` bytes."""
        while (found := self._buffer.find(marker)) < 0:
            if len(self._buffer) > limit + len(marker):
                raise _too_much()
            await self._more()
        value = bytes(self._buffer[:found])
        del self._buffer[: found + len(marker)]
        return value

    async def stream(self, marker: bytes) -> AsyncIterator[bytes]:
        """What comes before `marker`, piece by piece; the rest of the body is read and thrown away."""
        while (found := self._buffer.find(marker)) < 0:
            sure = len(self._buffer) - len(marker) + 1
            if sure > 0:
                yield bytes(self._buffer[:sure])
                del self._buffer[:sure]
            await self._more()
        if found:
            yield bytes(self._buffer[:found])
        async for _ in self._body:
            pass

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._body)
        except StopAsyncIteration:
            raise malformed() from None


def malformed() -> AwsError:
    """400: not a form, or one that ends too early."""
    return AwsError("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")


def _too_much() -> AwsError:
    return AwsError(
        "MaxPostPreDataLengthExceededError",
        "Your POST request fields preceding the upload file were too large.",
        members={"MaxPostPreDataLengthAllowed": str(MAX_FIELDS_BYTES)},
    )


def _boundary(content_type: str) -> bytes:
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if not boundary or len(boundary) > _MAX_BOUNDARY:
        raise malformed()
    return boundary.encode("latin-1", "replace")


def _parameter(header: Message, name: str) -> str:
    value = header.get_param(name, "", "content-disposition")
    return value if isinstance(value, str) else ""
