"""Answers of URLs that stream: passed on as the function makes them, or collected where it made a stream unasked.

A stream of the HTTP integration begins with its status, headers and cookies; any other is all body, of the content type
the function gave it, also the document of a function that does not stream. A function that fails after its first byte
can only be told by a connection that breaks off.
"""

from collections.abc import AsyncIterator

from bulb.http.message import Response
from bulb.invoke import prelude
from bulb.invoke.model import StreamedOutcome
from bulb.services.lambda_.urls import response
from bulb.services.lambda_.urls.response import MalformedAnswerError


async def streamed(outcome: StreamedOutcome) -> Response:
    """The response to an invocation that streams. Raises MalformedAnswerError."""
    if not outcome.began and (await outcome.end).function_error is not None:
        return response.failed()
    if outcome.content_type != prelude.CONTENT_TYPE:
        return Response(200, [(response.TYPE, outcome.content_type)], _body(b"", outcome))
    reader = prelude.PreludeReader()
    try:
        async for chunk in outcome.chunks:
            begun = reader.feed(chunk)
            if begun is not None:
                head = _head(begun)
                return Response(head.status, head.headers, _body(reader.rest, outcome))
    except prelude.PreludeError as error:
        raise MalformedAnswerError(str(error)) from None
    if (await outcome.end).function_error is not None:
        return response.failed()
    raise MalformedAnswerError("the stream ended before its metadata")


def collected(payload: bytes) -> Response | None:
    """The response a stream stands for that was collected; None when it does not begin with metadata.

    Raises MalformedAnswerError.
    """
    if not payload.startswith(b"{"):
        return None
    reader = prelude.PreludeReader()
    try:
        begun = reader.feed(payload)
    except prelude.PreludeError:
        return None
    if begun is None:
        return None
    head = _head(begun)
    return Response(head.status, head.headers, reader.rest)


async def _body(first: bytes, outcome: StreamedOutcome) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in outcome.chunks:
        yield chunk
    if (await outcome.end).function_error is not None:
        raise ConnectionAbortedError("The function failed in the middle of its answer")


def _head(begun: prelude.Prelude) -> response.Head:
    return response.head(begun.status, list(begun.headers), begun.cookies)
