"""Why a text is no pattern."""


class PatternError(Exception):
    """`reason` is what AWS says of it, without what the service at hand puts before it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
