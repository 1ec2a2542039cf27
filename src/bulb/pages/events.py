"""The journal as a page: what may be asked of it, and how it answers. Pure."""

from typing import Any
from urllib.parse import parse_qs

from bulb.pages.answers import check_names, number
from bulb.telemetry.happenings import STATUSES, Row, label
from bulb.telemetry.journal_rows import Query

_MOST_EVENTS, _MOST_WAIT_S = 10_000, 30.0


def query(text: str) -> tuple[Query, float]:
    """What a query string asks the journal for, and how long to wait. Raises ValueError naming what cannot be."""
    given = parse_qs(text, keep_blank_values=True)
    check_names(given, {"since", "after", "limit", "wait", "source", "target", "status"})
    if wrong := set(given.get("status", ())) - set(STATUSES):
        raise ValueError(f"status is one of {', '.join(STATUSES)}, not {min(wrong)!r}")
    asked = Query(
        since=number(given, "since", 0.0, 0.0, 1e12),
        after=int(number(given, "after", 0.0, 0.0, 2.0**63 - 1024)) if "after" in given else None,
        limit=int(number(given, "limit", 1_000.0, 1.0, _MOST_EVENTS)),
        source=given.get("source", [None])[-1],
        target=given.get("target", [None])[-1],
        statuses=tuple(given.get("status", ())),
    )
    return asked, number(given, "wait", 0.0, 0.0, _MOST_WAIT_S)


def document(row: Row) -> dict[str, Any]:
    """A row of the journal as everybody may read it."""
    return {
        "id": row["id"],
        "at": row["at"],
        "changed_at": row["changed_at"],
        "source": row["source_label"],
        "source_arn": row["source"],
        "about": row["about"],
        "cause": row["cause"],
        "target": row["target_label"],
        "target_arn": row["target"],
        "status": row["status"],
        "attempts": row["attempts"],
        "code": row["code"],
        "message": row["message"],
        "duration_ms": row["duration_ms"],
        "next_at": row["next_at"],
        "told": [{"kind": kind, "target": label(arn), "target_arn": arn} for kind, arn in row["told"] or ()],
    }
