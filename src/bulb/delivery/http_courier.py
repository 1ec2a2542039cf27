"""The courier to HTTP and HTTPS endpoints: one request an attempt.

An entry says in its attribute `http` what to send: `method`, `url`, `headers`, `timeout_s`, and where it applies
`per_second` (how many requests its lane may have). The payload is the body. What is answered is not kept.
"""

from http import HTTPStatus

from bulb.core.clock import Clock
from bulb.delivery import http_client
from bulb.delivery.handing import lane
from bulb.delivery.http_client import Answer
from bulb.delivery.model import Refusal
from bulb.storage.outbox import Entry

_LANES = 10_000
_SECONDS_DIGITS = 6


class HttpCourier:
    """Carries entries to URLs. How long an answer may take is real time; only the pace of lanes goes by the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_at: dict[str, float] = {}

    async def carry(self, entry: Entry, now: float) -> Refusal | None:
        """One request. None when it was answered with 2xx."""
        request = entry.attributes["http"]
        await self._keep_pace(lane(entry), request.get("per_second"))
        method, url, headers = request["method"], request["url"], request["headers"]
        timeout_s = float(request["timeout_s"])
        try:
            answer = await http_client.send(method, url, headers, entry.payload, timeout_s)
        except TimeoutError:
            return Refusal("TIMEOUT", f"The endpoint did not answer within {timeout_s:g} s.", is_final=False)
        except (OSError, ValueError) as error:
            return Refusal("SDK_CLIENT_ERROR", f"The endpoint cannot be reached: {error}", is_final=False)
        return refusal_of(answer)

    async def _keep_pace(self, name: str, per_second: float | None) -> None:
        """Wait until the lane may have another request."""
        if not per_second:
            return
        now = self._clock.now()
        if len(self._next_at) > _LANES:
            self._next_at = {one: at for one, at in self._next_at.items() if at > now}
        turn = max(self._next_at.get(name, now), now)
        self._next_at[name] = turn + 1.0 / per_second
        if turn > now:
            await self._clock.sleep(turn - now)


def refusal_of(answer: Answer) -> Refusal | None:
    """What an answer means: 5xx and 429 are worth another attempt, all but 2xx else is final."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    message = f"The endpoint answered with status {answer.status}."
    after = answer.headers.get("retry-after", "")
    wait_s = float(after) if after.isascii() and after.isdigit() and len(after) <= _SECONDS_DIGITS else None
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Refusal("THROTTLING", message, is_final=False, retry_after_s=wait_s)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Refusal("ERROR_FROM_TARGET", message, is_final=False, retry_after_s=wait_s)
    return Refusal("SDK_CLIENT_ERROR", message)
