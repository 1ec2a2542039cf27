"""awslambdaric's JSON, quick also where simplejson's compiled half is missing.

simplejson is compiled for one Python version only (the server's); under the others it is pure Python, thirty times
slower. The standard library's C code gives the same result for the values nearly every function sends, so it is used
for exactly those and simplejson for all the rest, including every error. tests/runtimes compares the two.
"""

import json
from typing import Any, NoReturn

from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from simplejson.encoder import c_make_encoder

_MOST_CONTAINERS = 100_000  # beyond this a value is as good as endless; it may contain itself
_ATOMS = frozenset({str, int, float, bool, type(None)})


def marshaller() -> LambdaMarshaller:
    """awslambdaric's own marshaller where it is quick, else `QuickMarshaller`. Reads AWS_EXECUTION_ENV when called."""
    return LambdaMarshaller() if c_make_encoder is not None else QuickMarshaller()


class QuickMarshaller(LambdaMarshaller):  # type: ignore[misc]  # awslambdaric has no types
    """The same answers as `LambdaMarshaller`, byte for byte and error for error."""

    def __init__(self) -> None:
        super().__init__()
        self._encode = json.JSONEncoder(ensure_ascii=self.jsonEncoder.ensure_ascii).encode
        self._decode = json.JSONDecoder(parse_constant=_refuse).decode

    def unmarshal_request(self, request: bytes, content_type: str | None = "application/json") -> Any:
        """The event a handler is given."""
        if content_type == "application/json":
            try:
                return self._decode(str(request, "utf-8"))
            except (ValueError, RecursionError):
                pass  # simplejson decides what is acceptable and words the refusal
        return super().unmarshal_request(request, content_type)

    def marshal_response(self, response: Any) -> tuple[str | bytes, str]:
        """(text or bytes, content type) of what a handler returned."""
        if _is_plain(response):
            return self._encode(response), "application/json"
        marshalled: tuple[str | bytes, str] = super().marshal_response(response)
        return marshalled


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _is_plain(value: Any) -> bool:
    """Whether `value` is made only of the exact types both encoders write alike (no subclasses, text keys)."""
    seen = 0
    pending = [value]
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind in _ATOMS:
            continue
        seen += 1
        if seen > _MOST_CONTAINERS:
            return False
        if kind is dict:
            if any(type(key) is not str for key in value):
                return False
            pending.extend(value.values())
        elif kind is list:
            pending.extend(value)
        else:
            return False
    return True
