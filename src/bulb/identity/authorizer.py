"""May they: every call held against the policies that concern it. Where policies are only stored, nobody asks here.

Warm, nothing here touches the database: callers' policies are kept by `CallerGrants`, those of resources by whoever
owns them.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from bulb.core.calls import Call, Caller
from bulb.core.clock import iso_millis
from bulb.identity import needs
from bulb.identity.conditions import Context
from bulb.identity.decisions import Asking, Refusal, Statements, decide, refused
from bulb.identity.documents import statements_of
from bulb.identity.evaluation import Principal, Verdict, evaluate
from bulb.identity.grants import CallerGrants, Grants, caller_of
from bulb.identity.needs import Need, Needs
from bulb.wire.catalog import SERVICES

_ASSUME_ROLE = "sts:AssumeRole"
_NOBODY = "-"


class ResourcePolicies(Protocol):
    """Policies that are attached to resources."""

    async def guarding(self, resource: str) -> Statements:
        """The statements of the policy of exactly this ARN; none where it has no policy."""


class Authorizer:
    """Decides for all services. `services` says what a call of each needs; `guards` has the policies of resources, by
    the service of their ARNs.
    """

    def __init__(
        self, grants: CallerGrants, services: Mapping[str, Needs], guards: Mapping[str, ResourcePolicies]
    ) -> None:
        self._grants = grants
        self._services = services
        self._guards = guards

    async def authorize(self, call: Call) -> None:
        """Raise the AwsError of a refusal. A call into another account is carried out there from here on."""
        wanted = await self._services.get(call.service, needs.of_operation)(call)
        if not wanted:
            return
        grants = await self._grants.of(call.caller)
        known = _known_of(call, grants)
        for need in wanted:
            refusal = _decided(call.caller, grants, need, await self._guard(need), known)
            if refusal is not None:
                is_query = call.service in SERVICES and SERVICES[call.service].protocols[0] == "query"
                raise refused(call.caller.arn, need, refusal, call.service, is_query=is_query)
        if wanted[0].acts_there:
            call.acting_in = wanted[0].owner(call.caller.account)

    async def permits(self, caller: Caller, need: Need, guard: Statements, known: Context) -> bool:
        """May the caller, where `guard` has the policy of the resource and `known` the request's condition keys?"""
        grants = await self._grants.of(caller)
        request = {name: value for name, value in known.items() if not name.startswith("aws:principal")}
        return _decided(caller, grants, need, guard, {**request, **_known_of_caller(caller, grants)}) is None

    async def lets_assume(self, role_arn: str, service: str, source_arn: str = "", source_account: str = "") -> bool:
        """Does the trust policy of the role let a service assume it, acting for a resource of an account if any?"""
        trust = await self._grants.trust(role_arn)
        known = {"aws:sourcearn": source_arn, "aws:sourceaccount": source_account} if source_arn else {}
        return evaluate(trust, _ASSUME_ROLE, role_arn, known, Principal(service=service)) is Verdict.ALLOW

    async def role_may(self, role_arn: str, action: str, resource: str) -> bool:
        """Do the role's own policies allow it? Conditions see who asks, and nothing of a request."""
        grants = await self._grants.of(caller_of(role_arn))
        return evaluate(grants.statements, action, resource, grants.keys) is Verdict.ALLOW

    async def _guard(self, need: Need) -> Statements:
        if need.action == _ASSUME_ROLE:
            return await self._grants.trust(need.resource)
        guards = self._guards.get(need.resource.split(":", 3)[2]) if need.resource.startswith("arn:") else None
        return await guards.guarding(need.resource) if guards is not None else ()


def _decided(caller: Caller, grants: Grants, need: Need, guard: Statements, known: Context) -> Refusal | None:
    asking = Asking(
        # Policies of resources may name who is gone, or a role by a path that it does not have.
        arn=caller.arn if grants.keys else _NOBODY,
        account=None if caller.is_anonymous else caller.account,
        own=grants.statements,
        session=statements_of(caller.session_policy) if caller.session_policy is not None else None,
        is_root=grants.is_root and not caller.is_anonymous,
    )
    context = {**known, "aws:resourceaccount": need.owner(caller.account), **need.context}
    return decide(asking, need, guard, context)


def _known_of(call: Call, grants: Grants) -> dict[str, str | Sequence[str]]:
    """The condition keys of every call; the page about policies lists them."""
    known: dict[str, str | Sequence[str]] = {
        "aws:sourceip": call.caller.source_ip,
        "aws:securetransport": "true" if call.base_url.startswith("https:") else "false",
        "aws:currenttime": iso_millis(call.now),
        "aws:epochtime": str(int(call.now)),
        "aws:requestedregion": call.region,
        **_known_of_caller(call.caller, grants),
    }
    for header, key in (("user-agent", "aws:useragent"), ("referer", "aws:referer")):
        if header in call.headers:
            known[key] = call.headers[header]
    return known


def _known_of_caller(caller: Caller, grants: Grants) -> dict[str, str]:
    if caller.is_anonymous:
        return {"aws:principaltype": "Anonymous"}
    return {"aws:principalaccount": caller.account, "aws:userid": caller.user_id, **grants.keys}
