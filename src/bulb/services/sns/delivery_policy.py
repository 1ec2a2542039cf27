"""Delivery policies of HTTP/S endpoints: read, checked, put together, and turned into waits. Pure.

A topic's policy sets defaults for its subscriptions; a subscription's own goes before, unless the topic forbids that.
Retries come in four phases: at once, at the shortest wait, backing off from that to the longest, at the longest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bulb.services.sns import errors

PLAIN = "text/plain; charset=UTF-8"
_LONGEST_POLICY_S = 3_600
_MOST_RETRIES = 100
_MOST_PER_SECOND = 1_000_000
_FUNCTIONS = ("arithmetic", "exponential", "geometric", "linear")
_DEFAULT: Mapping[str, Any] = {
    "minDelayTarget": 20,
    "maxDelayTarget": 20,
    "numRetries": 3,
    "numMaxDelayRetries": 0,
    "numNoDelayRetries": 0,
    "numMinDelayRetries": 0,
    "backoffFunction": "linear",
}
_CONTENT_TYPES = frozenset(
    {
        "application/atom+xml",
        "application/json",
        "application/octet-stream",
        "application/soap+xml",
        "application/x-www-form-urlencoded",
        "application/xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
_TOPIC = {
    "defaultHealthyRetryPolicy": "healthyRetryPolicy",
    "defaultThrottlePolicy": "throttlePolicy",
    "defaultRequestPolicy": "requestPolicy",
}
_PARTS = ("healthyRetryPolicy", "throttlePolicy", "requestPolicy")
# Members of policies that AWS shows and has no use for any more.
_IDLE = {"sicklyRetryPolicy", "guaranteed"}


@dataclass(frozen=True, slots=True)
class Policy:
    """How messages go to one endpoint. `waits_s` has one number a retry."""

    waits_s: tuple[float, ...]
    per_second: int | None
    content_type: str


def topic_policy(text: str) -> str:
    """A topic's policy as it is kept and shown. Raises InvalidParameter (without where it was given)."""
    given = _object(text, "DeliveryPolicy")
    http = given.get("http", {})
    if not isinstance(http, dict) or not given.keys() <= {"http"}:
        raise _wrong("the policy must be an object with the member http")
    overrides = http.get("disableSubscriptionOverrides", False)
    if not isinstance(overrides, bool):
        raise _wrong("http.disableSubscriptionOverrides must be true or false")
    unknown = http.keys() - {*_TOPIC, "disableSubscriptionOverrides", "defaultSicklyRetryPolicy"}
    if unknown:
        raise _wrong(f"unexpected member http.{min(unknown)}")
    kept: dict[str, Any] = {}
    for name, part in _TOPIC.items():
        if (value := http.get(name)) is not None:
            kept[name] = _checked(part, value, f"http.{name}")
            if name == "defaultHealthyRetryPolicy":
                _check_length(kept[name])
    return _compact({"http": {**kept, "disableSubscriptionOverrides": overrides}})


def subscription_policy(text: str) -> str:
    """A subscription's policy as it is kept and shown. Raises InvalidParameter (without where it was given)."""
    given = _object(text, "DeliveryPolicy")
    unknown = given.keys() - {*_PARTS, *_IDLE}
    if unknown:
        raise _wrong(f"unexpected member {min(unknown)}")
    parts = {name: _checked(name, given[name], name) for name in _PARTS if given.get(name) is not None}
    if "healthyRetryPolicy" in parts:
        parts["healthyRetryPolicy"] = {**_DEFAULT, **parts["healthyRetryPolicy"]}
        _check_length(parts["healthyRetryPolicy"])
    return _compact(_shown(parts))


def effective_topic_policy(topic: str | None) -> str:
    """What a topic's HTTP/S subscriptions get without policies of their own."""
    http = json.loads(topic)["http"] if topic else {}
    shown = {
        "defaultHealthyRetryPolicy": {**_DEFAULT, **http.get("defaultHealthyRetryPolicy", {})},
        "disableSubscriptionOverrides": http.get("disableSubscriptionOverrides", False),
        "defaultRequestPolicy": http.get("defaultRequestPolicy", {"headerContentType": PLAIN}),
    }
    if "defaultThrottlePolicy" in http:
        shown["defaultThrottlePolicy"] = http["defaultThrottlePolicy"]
    return _compact({"http": shown})


def effective_policy(topic: str | None, subscription: str | None) -> str:
    """What one subscription gets."""
    return _compact(_shown(_together(topic, subscription)))


@lru_cache(maxsize=1024)
def policy(topic: str | None, subscription: str | None) -> Policy:
    """The same, to act upon."""
    parts = _together(topic, subscription)
    throttle = parts.get("throttlePolicy") or {}
    return Policy(
        waits(parts["healthyRetryPolicy"]),
        throttle.get("maxReceivesPerSecond"),
        parts["requestPolicy"].get("headerContentType", PLAIN),
    )


def waits(retry: Mapping[str, Any]) -> tuple[float, ...]:
    """Seconds to wait before each retry."""
    shortest, longest = float(retry["minDelayTarget"]), float(retry["maxDelayTarget"])
    at_once, at_shortest = retry["numNoDelayRetries"], retry["numMinDelayRetries"]
    at_longest, total = retry["numMaxDelayRetries"], retry["numRetries"]
    count = max(total - at_once - at_shortest - at_longest, 0)
    between = [_between(retry["backoffFunction"], shortest, longest, step, count) for step in range(count)]
    return (*[0.0] * at_once, *[shortest] * at_shortest, *between, *[longest] * at_longest)[:total]


def _between(function: str, shortest: float, longest: float, step: int, count: int) -> float:
    """The wait of one of `count` steps from the shortest wait to the longest."""
    if count == 1:
        return shortest
    last, span = count - 1, longest - shortest
    if function == "linear":
        return shortest + span * step / last
    if function == "arithmetic":  # each step is longer than the one before by the same
        return shortest + span * step * (step + 1) / (last * (last + 1))
    if function == "geometric":  # each wait is the same number of times the one before
        return float(shortest * (longest / shortest) ** (step / last))
    return float(shortest + span * (2.0**step - 1) / (2.0**last - 1))  # exponential: each step twice the one before


def _together(topic: str | None, subscription: str | None) -> dict[str, Any]:
    http = json.loads(effective_topic_policy(topic))["http"]
    parts = {part: http[name] for name, part in _TOPIC.items() if name in http}
    if subscription and not http["disableSubscriptionOverrides"]:
        own = json.loads(subscription)
        parts.update({name: own[name] for name in _PARTS if own.get(name) is not None})
    return parts


def _shown(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "healthyRetryPolicy": parts.get("healthyRetryPolicy"),
        "sicklyRetryPolicy": None,
        "throttlePolicy": parts.get("throttlePolicy"),
        "requestPolicy": parts.get("requestPolicy"),
        "guaranteed": False,
    }


def _checked(part: str, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(f"{where} must be an object")
    match part:
        case "healthyRetryPolicy":
            return _checked_retry(value, where)
        case "throttlePolicy":
            if not value.keys() <= {"maxReceivesPerSecond"}:
                raise _wrong(f"{where} has an unexpected member")
            if (most := value.get("maxReceivesPerSecond")) is None:
                return {}
            if type(most) is int and most < 1:
                raise _wrong(f"{where}.maxReceivesPerSecond must be >= 1")
            return {"maxReceivesPerSecond": _number(most, 1, _MOST_PER_SECOND, f"{where}.maxReceivesPerSecond")}
    content_type = value.get("headerContentType", PLAIN)
    if not isinstance(content_type, str) or content_type.partition(";")[0].strip().lower() not in _CONTENT_TYPES:
        raise _wrong(f"{where}.headerContentType is not supported")
    if not value.keys() <= {"headerContentType"} or not content_type.isprintable() or not content_type.isascii():
        raise _wrong(f"{where} is not supported")
    return {"headerContentType": content_type}


def _checked_retry(value: dict[str, Any], where: str) -> dict[str, Any]:
    unknown = value.keys() - _DEFAULT.keys()
    if unknown:
        raise _wrong(f"unexpected member {where}.{min(unknown)}")
    given = {name: one for name, one in value.items() if one is not None}
    for name, one in given.items():
        if name == "backoffFunction":
            if one not in _FUNCTIONS:
                raise _wrong(f"{where}.backoffFunction: the value [{one}] is not a valid backoff function")
        elif name.endswith("Target"):
            _number(one, 1, _LONGEST_POLICY_S, f"{where}.{name}")
        else:
            _number(one, 0, _MOST_RETRIES, f"{where}.{name}")
    whole = {**_DEFAULT, **given}
    if whole["minDelayTarget"] > whole["maxDelayTarget"]:
        raise _wrong(f"{where}.maxDelayTarget must be greater than or equal to minDelayTarget")
    phases = whole["numNoDelayRetries"] + whole["numMinDelayRetries"] + whole["numMaxDelayRetries"]
    if phases > whole["numRetries"]:
        raise _wrong(
            f"{where}.numRetries must be greater than or equal to total of numMinDelayRetries, numNoDelayRetries and "
            "numMaxDelayRetries"
        )
    return given


def _check_length(retry: Mapping[str, Any]) -> None:
    if sum(waits({**_DEFAULT, **retry})) > _LONGEST_POLICY_S:
        raise _wrong(f"the retries take longer than {_LONGEST_POLICY_S} seconds in all")


def _number(value: Any, least: int, most: int, where: str) -> int:
    if type(value) is not int:
        raise _wrong(f"{where} must be a whole number from {least} to {most}")
    if value < least:
        raise _wrong(f"{where} must be greater than or equal to {least}")
    if value > most:
        raise _wrong(f"{where} must be less than or equal to {most}")
    return value


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise errors.invalid(f"{what}: failed to parse JSON.") from None
    if not isinstance(value, dict):
        raise errors.invalid(f"{what}: failed to parse JSON.")
    return value


def _wrong(what: str) -> Exception:
    return errors.invalid(f"DeliveryPolicy: {what}")


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))
