"""What a text may have in it to be sent, as a message, an attribute, an error (what XML may), or to be shown. Pure."""

import re

UNSENDABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IN_JSON = ((b"\xef\xbf\xbe", b"\\ufffe"), (b"\xef\xbf\xbf", b"\\uffff"))


def sendable(text: str) -> str:
    """The text with U+FFFD for each character that cannot be sent."""
    return UNSENDABLE.sub("\ufffd", text)


def sendable_json(document: bytes) -> bytes:
    """The same JSON with escapes for the only two such characters that it can have in it as they are."""
    for character, escape in _IN_JSON:
        document = document.replace(character, escape)
    return document


def printable(text: str, keep: str = "") -> str:
    """The text for a terminal, which no text shall command: what cannot be seen is U+FFFD, but for `keep`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else "\ufffd" for one in text)
