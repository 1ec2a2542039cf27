"""The IAM API. One method an operation, in the file of what it is about. IAM has no region: an account is all."""

import asyncio

from bulb.identity.access_keys import AccessKeys
from bulb.services.iam import store
from bulb.services.iam.held import Held
from bulb.services.iam.policies import Policies
from bulb.services.iam.role_policies import RolePolicies
from bulb.services.iam.roles import Roles, role_row
from bulb.services.iam.user_policies import UserPolicies
from bulb.services.iam.users import Users, user_row
from bulb.storage.database import Database

_ROLE_CHARACTERS, _USER_CHARACTERS = 10_240, 2_048


class Iam(Roles, RolePolicies, Policies, Users, UserPolicies):
    """IAM over the database; users' access keys through `keys`, which the gateway asks too."""

    def __init__(self, database: Database, keys: AccessKeys, *, policies_enforced: bool = False) -> None:
        """`policies_enforced`: what policies say counts, so only those whose documents are known can be attached."""
        self._database = database
        self._keys = keys
        self._key_changes = asyncio.Lock()
        self._role_policies = Held(database, store.ROLES, "role", role_row, _ROLE_CHARACTERS, policies_enforced)
        self._user_policies = Held(
            database,
            store.USERS,
            "user",
            lambda connection, call: user_row(connection, call.account, call.params["UserName"]),
            _USER_CHARACTERS,
            policies_enforced,
        )
