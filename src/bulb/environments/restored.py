"""An environment that begins as a copy of an initialised one (SnapStart): restored where others run init."""

import time

from bulb.core.deadline import Deadline
from bulb.core.errors import AwsError
from bulb.core.facts import RestoreReported, RestoreStarted
from bulb.core.limits import RESTORE_TIMEOUT_S
from bulb.environments.environment import Environment
from bulb.environments.incarnation import Incarnation
from bulb.environments.model import Reply
from bulb.environments.reporting import Begun, status_of
from bulb.environments.states import State, move


class RestoredEnvironment(Environment):
    """Its process is a fork: it knows its function already, and asks for an event once its after-restore hooks ran."""

    async def initialize(self) -> None:
        """Restore, within the documented limit. Raises AwsError SnapStartException and SnapStartTimeoutException."""
        started = time.perf_counter()
        self._facts.emit(RestoreStarted(self.ref, self._clock.now()))
        incarnation = self._incarnation = await self._connect()
        failure = await incarnation.initialize(Deadline(started + RESTORE_TIMEOUT_S), "")
        incarnation.extensions.session.close_registration()
        incarnation.drain_log()
        restore_ms = (time.perf_counter() - started) * 1000
        self._facts.emit(RestoreReported(self.ref, self._clock.now(), restore_ms, *status_of(failure)))
        if failure is not None:
            await self._break()
            raise _refusal(failure)
        self.sandbox.end_init()
        self._begun = Begun(restore_ms=restore_ms)
        self._state = move(self._state, State.READY)

    async def _connect(self) -> Incarnation:
        return await self._starter.reconnect(self.spec, self.ref, self.sandbox, self._log)


def _refusal(failure: Reply) -> AwsError:
    if failure.status == "timeout":
        return AwsError(
            "SnapStartTimeoutException", "Lambda couldn't restore the snapshot within the timeout limit.", status=408
        )
    return AwsError("SnapStartException", "The afterRestore() runtime hook encountered an error.")
