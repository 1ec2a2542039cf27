"""Who may call a URL: the policy of the function or alias behind it, and for signed calls the caller's own policies.

Two permissions are needed, `lambda:InvokeFunctionUrl` and `lambda:InvokeFunction`; AWS asked only for the first until
October 2025, and an operator may do so still.
"""

from collections.abc import Sequence
from typing import Protocol

from bulb.core.calls import Caller
from bulb.core.clock import iso_millis
from bulb.http.message import Request
from bulb.identity.conditions import Context
from bulb.identity.decisions import Asking, Statements, decide
from bulb.identity.evaluation import ANYBODY, Statement, Verdict, evaluate
from bulb.identity.needs import Need
from bulb.services.lambda_.urls.model import FunctionUrl

_URL_ACTION = "lambda:InvokeFunctionUrl"
_INVOKE_ACTION = "lambda:InvokeFunction"


class Callers(Protocol):
    """Whoever weighs policies (identity/)."""

    async def permits(self, caller: Caller, need: Need, guard: Statements, known: Context) -> bool:
        """May the caller, where `guard` has the policy of the resource and `known` the request's condition keys?"""


class TrustedCallers:
    """Callers whose own policies nobody looks at: they may do everything that their account may."""

    async def permits(self, caller: Caller, need: Need, guard: Statements, known: Context) -> bool:
        """At home unless the policy of the resource denies it, elsewhere if it allows it."""
        return decide(Asking(caller.arn, caller.account, own=_EVERYTHING), need, guard, known) is None


_EVERYTHING: Statements = ({"Effect": "Allow", "Action": "*", "Resource": "*"},)


class UrlAccess:
    """Decides who may call."""

    def __init__(self, callers: Callers | None = None, *, one_permission: bool = False) -> None:
        self._callers: Callers = callers or TrustedCallers()
        self._actions = (_URL_ACTION,) if one_permission else (_URL_ACTION, _INVOKE_ACTION)

    def anybody_may(self, url: FunctionUrl, statements: Sequence[Statement], request: Request, now: float) -> bool:
        """Does the policy let those in who did not sign?"""
        context = _context(url, request, None, now)
        return all(evaluate(statements, action, url.arn, context, ANYBODY) is Verdict.ALLOW for action in self._actions)

    async def caller_may(
        self, url: FunctionUrl, statements: Statements, caller: Caller, request: Request, now: float
    ) -> bool:
        """Does the policy let the caller in, or do the caller's own, where both are of one account? Else both must."""
        context = _context(url, request, caller, now)
        for action in self._actions:
            if not await self._callers.permits(caller, Need(action, url.arn), statements, context):
                return False
        return True


def _context(url: FunctionUrl, request: Request, caller: Caller | None, now: float) -> Context:
    known = {
        "lambda:functionurlauthtype": url.auth_type,
        "lambda:invokedviafunctionurl": "true",
        "aws:sourceip": request.client[0] or "127.0.0.1",
        "aws:securetransport": "true" if request.scheme == "https" else "false",
        "aws:currenttime": iso_millis(now),
        "aws:epochtime": str(int(now)),
        "aws:requestedregion": url.key.region,
    }
    for header, name in (("user-agent", "aws:useragent"), ("referer", "aws:referer")):
        if header in request.headers:
            known[name] = request.headers[header]
    if caller is not None:
        known["aws:principalarn"] = caller.arn
        known["aws:principalaccount"] = caller.account
        known["aws:userid"] = caller.user_id
    return known
