"""Schedule expressions: `rate()`, `cron()` and `at()`, in the two grammars AWS has, and when each is next due."""

from bulb.delivery.schedules.cron import Cron
from bulb.delivery.schedules.expressions import (
    At,
    ExpressionError,
    Rate,
    Schedule,
    parse_rule,
    parse_schedule,
    time_zone,
)

__all__ = ["At", "Cron", "ExpressionError", "Rate", "Schedule", "parse_rule", "parse_schedule", "time_zone"]
