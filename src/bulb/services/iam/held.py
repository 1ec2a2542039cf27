"""The policies a role or a user holds: inside it, and attached to it. The same for both, but for names and limits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from bulb.core.calls import Answer, Call
from bulb.core.errors import NotSupported
from bulb.identity import managed
from bulb.identity.policy import check_policy
from bulb.services.iam import shared, store
from bulb.services.iam.policies import policy_by_arn
from bulb.storage.database import Database

_MOST_ATTACHED = 10


@dataclass(frozen=True, slots=True)
class Held:
    """Operations on the policies of one kind of holder. `noun` is `role` or `user`, `row` finds the one a call names.

    `inline_characters`: the longest its inline policies may be together. `known_only`: only policies whose documents
    are known can be attached, because what they say counts.
    """

    database: Database
    holder: store.Holder
    noun: str
    row: Callable[[Connection, Call], Row[Any]]
    inline_characters: int
    known_only: bool

    async def put(self, call: Call) -> Answer:
        """An inline policy, new or in place of the one of its name."""
        name, document = call.params["PolicyName"], call.params["PolicyDocument"]
        check_policy(document)

        def put(connection: Connection) -> None:
            owner = self.row(connection, call)
            together = {**store.inline(connection, self.holder, owner.id), name: document}
            if sum(len("".join(text.split())) for text in together.values()) > self.inline_characters:
                message = f"Maximum policy size of {self.inline_characters} bytes exceeded for {self.noun} {owner.name}"
                raise shared.limit_exceeded(message)
            store.put_inline(connection, self.holder, owner.id, name, document)

        await self.database.write(put)
        return {}

    async def get(self, call: Call) -> Answer:
        """One inline policy."""
        name = call.params["PolicyName"]

        def get(connection: Connection) -> Answer:
            owner = self.row(connection, call)
            document = store.inline(connection, self.holder, owner.id).get(name)
            if document is None:
                raise self._no_such_inline(name)
            named = f"{self.noun.title()}Name"
            return {named: owner.name, "PolicyName": name, "PolicyDocument": shared.encoded(document)}

        return await self.database.read(get)

    async def names(self, call: Call) -> Answer:
        """The names of the inline policies."""

        def collect(connection: Connection) -> list[str]:
            return [*store.inline(connection, self.holder, self.row(connection, call).id)]

        names = await self.database.read(collect)
        return shared.page(call, names, "PolicyNames", lambda name: name, lambda name: name)

    async def delete(self, call: Call) -> Answer:
        """One inline policy less."""
        name = call.params["PolicyName"]

        def delete(connection: Connection) -> None:
            if not store.remove_inline(connection, self.holder, self.row(connection, call).id, name):
                raise self._no_such_inline(name)

        await self.database.write(delete)
        return {}

    async def attach(self, call: Call) -> Answer:
        """One managed policy more."""
        policy_arn = call.params["PolicyArn"]

        def attach(connection: Connection) -> None:
            owner = self.row(connection, call)
            name = self._attachable(connection, call.account, policy_arn)
            others = {row.policy_arn for row in store.attached(connection, self.holder, owner.id)} - {policy_arn}
            if len(others) >= _MOST_ATTACHED:
                quota = f"PoliciesPer{self.noun.title()}"
                raise shared.limit_exceeded(f"Cannot exceed quota for {quota}: {_MOST_ATTACHED}")
            store.attach(connection, self.holder, owner.id, policy_arn, name)

        await self.database.write(attach)
        return {}

    async def detach(self, call: Call) -> Answer:
        """One managed policy less."""
        policy_arn = call.params["PolicyArn"]

        def detach(connection: Connection) -> None:
            if not store.detach(connection, self.holder, self.row(connection, call).id, policy_arn):
                raise shared.no_such(f"Policy {policy_arn} was not found.")

        await self.database.write(detach)
        return {}

    async def attached(self, call: Call) -> Answer:
        """The managed policies."""
        prefix = call.params.get("PathPrefix", "/")

        def collect(connection: Connection) -> list[Row[Any]]:
            return store.attached(connection, self.holder, self.row(connection, call).id)

        below = [row for row in await self.database.read(collect) if _path(row.policy_arn).startswith(prefix)]
        return shared.page(
            call,
            below,
            "AttachedPolicies",
            lambda row: row.policy_arn,
            lambda row: {"PolicyName": row.policy_name, "PolicyArn": row.policy_arn},
        )

    def _attachable(self, connection: Connection, account: str, policy_arn: str) -> str:
        """The name of the policy. Raises AwsError NoSuchEntity and NotSupported."""
        if managed.is_aws_managed(policy_arn):
            if self.known_only and managed.document(policy_arn) is None:
                raise NotSupported(
                    f"the policy {policy_arn} where policies are enforced: its document is not known here"
                )
            return policy_arn.rpartition("/")[2]
        policy = policy_by_arn(connection, account, policy_arn)
        if policy is None:
            raise shared.no_such(f"Policy {policy_arn} does not exist or is not attachable.")
        name: str = policy.name
        return name

    def _no_such_inline(self, name: str) -> Exception:
        return shared.no_such(f"The {self.noun} policy with name {name} cannot be found.")


def refuse_with_policies(connection: Connection, holder: store.Holder, owner_id: str) -> None:
    """Who is deleted must have no policies. Raises AwsError DeleteConflict."""
    if store.attached(connection, holder, owner_id):
        raise shared.conflict("Cannot delete entity, must detach all policies first.")
    if store.inline(connection, holder, owner_id):
        raise shared.conflict("Cannot delete entity, must delete policies first.")


def _path(policy_arn: str) -> str:
    return "/" + policy_arn.partition(":policy/")[2].rpartition("/")[0] + "/" if policy_arn.count("/") > 1 else "/"
