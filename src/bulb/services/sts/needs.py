"""What STS's calls ask of policies where these are enforced: who one is may be asked by anybody."""

from collections.abc import Sequence

from bulb.core.calls import Call
from bulb.identity.needs import Need

_FREE = frozenset({"GetCallerIdentity", "GetSessionToken"})


async def needs(call: Call) -> Sequence[Need]:
    """A role is assumed by leave of its trust policy; in its own account one that names the caller is enough."""
    if call.operation in _FREE:
        return ()
    if call.operation == "AssumeRole":
        context = {"sts:rolesessionname": call.params["RoleSessionName"]}
        if call.params.get("ExternalId"):
            context["sts:externalid"] = call.params["ExternalId"]
        return (Need("sts:AssumeRole", call.params["RoleArn"], context, by_trust=True),)
    return (Need(f"sts:{call.operation}", "*"),)
