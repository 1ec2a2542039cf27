"""What every parser of this room raises on input it cannot read; `protocols` turns it into the protocol's own error."""


class Malformed(Exception):  # noqa: N818 - it says what the request is
    """The request does not fit its protocol or its model. The text is shown to the client."""


class MalformedUri(Malformed):
    """A path whose percent-encoded bytes are not UTF-8."""

    def __init__(self) -> None:
        super().__init__("Couldn't parse the specified URI.")


class MalformedXml(Malformed):
    """An XML body that is not what its operation takes."""

    def __init__(self) -> None:
        super().__init__("The XML you provided was not well-formed or did not validate against our published schema")
