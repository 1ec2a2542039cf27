"""Limits and usage of an account; and the reserved concurrency of a function, which is never set here yet."""

from bulb.core import limits
from bulb.core.calls import Answer, Call
from bulb.services.lambda_ import errors, names
from bulb.services.lambda_.model import LATEST
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore


class AccountOperations:
    """The operations about limits."""

    def __init__(self, store: LambdaStore, options: LambdaOptions) -> None:
        self._store = store
        self._options = options

    async def get_account_settings(self, call: Call) -> Answer:
        """Limits and usage of the caller's account in the caller's region."""
        usage = await self._store.usage(call.account, call.region)
        return {
            "AccountLimit": {
                "TotalCodeSize": self._options.code_storage_bytes,
                "CodeSizeUnzipped": limits.UNZIPPED_CODE_BYTES,
                "CodeSizeZipped": limits.ZIPPED_CODE_BYTES,
                "ConcurrentExecutions": self._options.account_concurrency,
                "UnreservedConcurrentExecutions": self._options.account_concurrency,
            },
            "AccountUsage": {"TotalCodeSize": usage.code_bytes, "FunctionCount": usage.function_count},
        }

    async def get_function_concurrency(self, call: Call) -> Answer:
        """Nothing: reserved concurrency cannot be set yet."""
        key = names.latest_target(call)
        if await self._store.find(key.version(LATEST)) is None:
            raise errors.function_not_found(key)
        return {}
