"""Patterns over JSON: event rules, filters of event source mappings, filter policies of subscriptions. Pure.

A text is compiled once (`compile_pattern`), and what comes of it says of an event whether it matches, in time that
grows with the event and the pattern, never with their combinations. Which operators a text may use, how a refusal
reads and what is too much is the dialect's.

Reasons are whole but for what the service at hand puts before them: `Event pattern is not valid. Reason: ` for rules,
`Invalid parameter: ` or `Invalid parameter: Attributes Reason: ` for filter policies (whose reasons begin with
`FilterPolicy: ` where AWS's do). Lambda has one text for every filter that is none.
"""

from bulb.delivery.patterns.compiling import Pattern, compile_pattern
from bulb.delivery.patterns.dialects import EVENTS, FILTERS, TOPICS_ATTRIBUTES, TOPICS_BODY, Dialect
from bulb.delivery.patterns.errors import PatternError
from bulb.delivery.patterns.jsontext import parse_event
from bulb.delivery.patterns.records import RecordFilter, compile_filters
from bulb.delivery.patterns.topics import attributes_event, body_event

__all__ = [
    "EVENTS",
    "FILTERS",
    "TOPICS_ATTRIBUTES",
    "TOPICS_BODY",
    "Dialect",
    "Pattern",
    "PatternError",
    "RecordFilter",
    "attributes_event",
    "body_event",
    "compile_filters",
    "compile_pattern",
    "parse_event",
]
