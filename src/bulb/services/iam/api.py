"""The IAM API. One method an operation, in the file of what it is about. IAM has no region: an account is all."""

import asyncio

from bulb.identity.access_keys import AccessKeys
from bulb.services.iam.policies import Policies
from bulb.services.iam.role_policies import RolePolicies
from bulb.services.iam.roles import Roles
from bulb.services.iam.users import Users
from bulb.storage.database import Database


class Iam(Roles, RolePolicies, Policies, Users):
    """IAM over the database; users' access keys through `keys`, which the gateway asks too."""

    def __init__(self, database: Database, keys: AccessKeys) -> None:
        self._database = database
        self._keys = keys
        self._key_changes = asyncio.Lock()
