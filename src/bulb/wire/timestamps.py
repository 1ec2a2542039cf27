"""Times on the wire: ISO 8601, RFC 822 and seconds since 1970, to and from aware UTC datetimes."""

from datetime import UTC, datetime

from bulb.wire.malformed import Malformed

Moment = datetime | float | int

# Not from `email.utils`, which takes 18 ms to import, nor `strftime`, which follows the locale.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    looks_like_rfc822 = text[:1].isalpha() or (form.lower() == "rfc822" and "-" not in text[:5])
    moment = _parse_rfc822(text) if looks_like_rfc822 else datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse_rfc822(text: str) -> datetime:
    """`Thu, 14 Mar 2024 16:05:09 GMT`, the zone also as `+0000`."""
    day_month = text.partition(",")[2].strip() if "," in text else text
    day, month, year, clock, zone = day_month.split()
    offset = UTC if zone in ("GMT", "UTC", "Z") else datetime.strptime(zone, "%z").tzinfo
    hour, minute, second = (int(part) for part in clock.split(":"))
    return datetime(int(year), _MONTHS.index(month[:3].title()) + 1, int(day), hour, minute, second, tzinfo=offset)


def _format_rfc822(value: datetime) -> str:
    day, month = _DAYS[value.weekday()], _MONTHS[value.month - 1]
    return f"{day}, {value.day:02d} {month} {value.year:04d} {value:%H:%M:%S} GMT"


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
        return _format_rfc822(value)
    text = value.replace(tzinfo=None, microsecond=0).isoformat()
    if always_millis or value.microsecond % 1000 == 0:
        millis = value.microsecond // 1000
        return f"{text}.{millis:03d}Z" if millis or always_millis else f"{text}Z"
    return f"{text}.{value.microsecond:06d}Z"
