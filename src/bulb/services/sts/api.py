"""The STS API.

Session credentials are made by identity's `Sessions` and need no row. Whether a role must exist before it is assumed
depends on whether credentials are enforced: see DESIGN.md.
"""

import re
from datetime import UTC, datetime
from typing import Any, Protocol

from bulb.core.arn import parse_arn
from bulb.core.calls import Answer, Call
from bulb.core.errors import AwsError, NotSupported
from bulb.core.ids import ACCOUNT_ID, DEFAULT_ACCOUNT
from bulb.identity.credentials import Identities
from bulb.identity.policy import check_policy
from bulb.identity.sessions import Credentials

_HOUR_S, _HALF_DAY_S = 3_600, 43_200
_CHAINED_S = 3_600  # the most a role session may ask for when it assumes a role itself
_SESSION_POLICY_CHARACTERS = 2_048
_ACCESS_KEY = re.compile(r"\A(?:AKIA|ASIA)[A-Z2-7]{16}\Z")


class Role(Protocol):
    """What STS asks of a role."""

    @property
    def id(self) -> str:
        """`AROA...`."""

    @property
    def max_session_s(self) -> int:
        """The longest session."""


class Roles(Protocol):
    """Where roles are kept (IAM)."""

    async def find_role(self, role_arn: str) -> Role | None:
        """The role of that ARN."""


class Sts:
    """STS over `identities`. With `enforce`, only roles that exist can be assumed; with `policies_enforced`, sessions
    can be limited by a policy of their own.
    """

    def __init__(
        self, identities: Identities, roles: Roles, *, enforce: bool = False, policies_enforced: bool = False
    ) -> None:
        self._policies_enforced = policies_enforced
        self._identities = identities
        self._roles = roles
        self._enforce = enforce

    async def get_caller_identity(self, call: Call) -> Answer:
        """GetCallerIdentity."""
        caller = call.caller
        if caller.is_anonymous:
            return {"UserId": caller.account, "Account": caller.account, "Arn": f"arn:aws:iam::{caller.account}:root"}
        return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}

    async def assume_role(self, call: Call) -> Answer:
        """AssumeRole."""
        params = call.params
        _refuse_unacted(params, ("PolicyArns", "Tags", "TransitiveTagKeys", "SerialNumber", "SourceIdentity"))
        policy = self._session_policy(params)
        role_arn, session_name = params["RoleArn"], params["RoleSessionName"]
        duration_s = params.get("DurationSeconds", _HOUR_S)
        role = await self._role(call, role_arn)
        longest = role.max_session_s if role is not None else _HALF_DAY_S
        if ":assumed-role/" in call.caller.arn:
            longest = min(longest, _CHAINED_S)
        if duration_s > longest:
            message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise AwsError("ValidationError", message)
        issued = self._identities.sessions.issue(
            role_arn,
            session_name,
            duration_s,
            call.now,
            known_role_id=role.id if role is not None else None,
            policy=policy,
        )
        identity = self._identities.resolve(issued.access_key, issued.token, call.now)
        assert identity is not None
        return {
            "Credentials": _shown(issued),
            "AssumedRoleUser": {"AssumedRoleId": identity.user_id, "Arn": identity.arn},
        }

    async def get_session_token(self, call: Call) -> Answer:
        """GetSessionToken: temporary credentials of the caller itself."""
        _refuse_unacted(call.params, ("SerialNumber", "TokenCode"))
        if ":assumed-role/" in call.caller.arn:
            raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", status=403)
        caller = call.caller
        arn = f"arn:aws:iam::{caller.account}:root" if caller.is_anonymous else caller.arn
        issued = self._identities.sessions.issue_for(
            caller.account, arn, caller.user_id, call.params.get("DurationSeconds", _HALF_DAY_S), call.now
        )
        return {"Credentials": _shown(issued)}

    async def get_access_key_info(self, call: Call) -> Answer:
        """GetAccessKeyInfo, for keys Bulb knows; a session's key alone says nothing about its account."""
        access_key = call.params["AccessKeyId"]
        identity = self._identities.resolve(access_key, None, call.now)
        if identity is not None:
            return {"Account": identity.account}
        if ACCOUNT_ID.match(access_key):
            return {"Account": access_key}
        if self._enforce or _ACCESS_KEY.match(access_key):
            raise AwsError("ValidationError", "Access key is not known to this server")
        return {"Account": DEFAULT_ACCOUNT}

    def _session_policy(self, params: dict[str, Any]) -> str | None:
        """Raises AwsError MalformedPolicyDocument, PackedPolicyTooLarge, and NotSupported where it would not count."""
        policy: str | None = params.get("Policy")
        if policy is None:
            return None
        if not self._policies_enforced:
            raise NotSupported("Policy of STS requests where policies are not enforced")
        check_policy(policy)
        if len(policy) > _SESSION_POLICY_CHARACTERS:
            message = f"Packed policy consumes more than {_SESSION_POLICY_CHARACTERS} characters."
            raise AwsError("PackedPolicyTooLarge", message)
        return policy

    async def _role(self, call: Call, role_arn: str) -> Role | None:
        parsed = parse_arn(role_arn)
        is_role = parsed is not None and parsed.service == "iam" and parsed.resource.startswith("role/")
        if parsed is None or not is_role or not ACCOUNT_ID.match(parsed.account) or parsed.resource.endswith("/"):
            raise AwsError("ValidationError", f"{role_arn} is invalid")
        role = await self._roles.find_role(role_arn)
        if role is None and self._enforce:
            message = f"User: {call.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            raise AwsError("AccessDenied", message, status=403)
        return role


def _shown(issued: Credentials) -> dict[str, Any]:
    return {
        "AccessKeyId": issued.access_key,
        "SecretAccessKey": issued.secret,
        "SessionToken": issued.token,
        "Expiration": datetime.fromtimestamp(issued.expiration, UTC),
    }


def _refuse_unacted(params: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if params.get(name):
            raise NotSupported(f"{name} of STS requests")
