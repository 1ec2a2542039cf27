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
from bulb.identity.evaluation import ANYBODY, Principal, Statement, Verdict, evaluate
from bulb.services.lambda_.urls.model import FunctionUrl

_URL_ACTION = "lambda:InvokeFunctionUrl"
_INVOKE_ACTION = "lambda:InvokeFunction"


class CallerPolicies(Protocol):
    """What the policies of callers themselves say (identity/)."""

    async def verdict(self, caller: Caller, action: str, resource: str, context: Context) -> Verdict | None:
        """Of all policies attached to the caller."""


class TrustedCallers:
    """Callers whose own policies nobody looks at: they may do everything that their account may."""

    async def verdict(self, caller: Caller, action: str, resource: str, context: Context) -> Verdict | None:
        """Always Allow."""
        return Verdict.ALLOW


class UrlAccess:
    """Decides who may call."""

    def __init__(self, callers: CallerPolicies | None = None, *, one_permission: bool = False) -> None:
        self._callers: CallerPolicies = callers or TrustedCallers()
        self._actions = (_URL_ACTION,) if one_permission else (_URL_ACTION, _INVOKE_ACTION)

    def anybody_may(self, url: FunctionUrl, statements: Sequence[Statement], request: Request, now: float) -> bool:
        """Does the policy let those in who did not sign?"""
        context = _context(url, request, None, now)
        return all(evaluate(statements, action, url.arn, context, ANYBODY) is Verdict.ALLOW for action in self._actions)

    async def caller_may(
        self, url: FunctionUrl, statements: Sequence[Statement], caller: Caller, request: Request, now: float
    ) -> bool:
        """Does the policy let the caller in, or do the caller's own, where both are of one account? Else both must."""
        context = _context(url, request, caller, now)
        principal = Principal(caller.arn, caller.account)
        for action in self._actions:
            resource = evaluate(statements, action, url.arn, context, principal)
            own = await self._callers.verdict(caller, action, url.arn, context)
            if Verdict.DENY in (resource, own):
                return False
            allowed = [resource is Verdict.ALLOW, own is Verdict.ALLOW]
            if not (any(allowed) if caller.account == url.key.account else all(allowed)):
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
