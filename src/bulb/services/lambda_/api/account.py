"""Limits and usage of an account."""

from bulb.core import limits
from bulb.core.calls import Answer, Call
from bulb.services.lambda_.allotments import Allotments
from bulb.services.lambda_.options import LambdaOptions
from bulb.services.lambda_.store import LambdaStore


class AccountOperations:
    """The operations about limits."""

    def __init__(self, store: LambdaStore, allotments: Allotments, options: LambdaOptions) -> None:
        self._store = store
        self._allotments = allotments
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
                "UnreservedConcurrentExecutions": self._allotments.unreserved(call.account, call.region),
            },
            "AccountUsage": {"TotalCodeSize": usage.code_bytes, "FunctionCount": usage.function_count},
        }
