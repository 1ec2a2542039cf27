"""Times on the wire: ISO 8601, RFC 822 and seconds since 1970, to and from aware UTC datetimes."""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from bulb.wire.malformed import Malformed

Moment = datetime | float | int


def parse(value: str | float, form: str) -> datetime:
    """`value` read as `form` (iso8601, rfc822, unixTimestamp), or as any of them: clients do mix them up."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        return _parse_text(value.strip(), form)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise Malformed(f"Invalid timestamp: {value!r}"[:200]) from error


def _parse_text(text: str, form: str) -> datetime:
    if _is_number(text):
        return datetime.fromtimestamp(float(text), UTC)
    readers = (parsedate_to_datetime, datetime.fromisoformat)
    for reader in readers if form.lower() == "rfc822" else reversed(readers):
        try:
            moment = reader(text)
        except (ValueError, TypeError):
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    raise ValueError(text)


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit() and text.isascii()


def as_datetime(moment: Moment) -> datetime:
    """An answer may give a time as a datetime or as Unix seconds."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return datetime.fromtimestamp(moment, UTC)


def to_unix(moment: Moment) -> int | float:
    """Seconds since 1970; a whole number when there is no fraction."""
    value = as_datetime(moment)
    seconds = int(value.replace(microsecond=0).timestamp())
    return (seconds * 1_000_000 + value.microsecond) / 1_000_000 if value.microsecond else seconds


def to_text(moment: Moment, form: str, always_millis: bool = False) -> str:
    """`moment` written as `form`. ISO 8601 has a fraction when there is one, or always (as S3 writes it)."""
    form = form.lower()
    if form == "unixtimestamp":
        return str(to_unix(moment))
    value = as_datetime(moment)
    if form == "rfc822":
        return format_datetime(value, usegmt=True)
    text = f"{value:%Y-%m-%dT%H:%M:%S}" if value.year >= 1000 else value.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    if always_millis or value.microsecond % 1000 == 0:
        millis = value.microsecond // 1000
        return f"{text}.{millis:03d}Z" if millis or always_millis else f"{text}Z"
    return f"{text}.{value.microsecond:06d}Z"
