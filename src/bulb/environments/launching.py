"""Starting the runtime of a supervised sandbox: which program, with what environment, and why it could not be."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass

from bulb.environments.model import FunctionSpec
from bulb.environments.ports import EnvironmentLog
from bulb.runtimes.variables import RUNTIME_DIR
from bulb.sandbox.host import RUNTIME, LaunchError, Sandbox
from bulb.sandbox.model import SandboxError

BOOTSTRAPS = ("/var/task/bootstrap", "/opt/bootstrap")
_API_FD, _LOG_FD = 3, 4
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """Why there is no runtime: its error type, and the text after "Error: "."""

    error_type: str
    reason: str


async def launch(
    sandbox: Sandbox, spec: FunctionSpec, variables: Mapping[str, str], log: EnvironmentLog
) -> LaunchFailure | None:
    """Start the runtime of `spec`, told everything. None when it runs, or when the whole sandbox has ended."""
    try:
        if spec.runtime.startswith("provided"):
            await sandbox.spawn(RUNTIME, [(path,) for path in BOOTSTRAPS], variables)
        elif spec.wrapper is not None or sandbox.image.supervised:
            # Its descriptors survive whatever the wrapper does with them only by luck, so it is told of the log alone.
            told = {**variables, "_LAMBDA_TELEMETRY_LOG_FD": str(_LOG_FD)}
            wrapper = () if spec.wrapper is None else (spec.wrapper,)
            await sandbox.spawn(RUNTIME, [(*wrapper, *_command(sandbox))], told, keeps=(_LOG_FD,))
        else:
            programs = [] if sandbox.image.forks else [sandbox.image.command]
            told = sandbox.told(sandbox.image.environment)
            await sandbox.spawn(RUNTIME, programs, told, keeps=(_API_FD, _LOG_FD))
    except LaunchError as error:
        if spec.wrapper is not None:
            return _no_wrapper(spec.wrapper, error, log)
        return LaunchFailure("Runtime.InvalidEntrypoint", _no_bootstrap(error))
    except SandboxError:
        return None
    return None


def _command(sandbox: Sandbox) -> tuple[str, ...]:
    """What starts a managed runtime from nothing: what a wrapper is given to execute."""
    command = sandbox.image.command
    return (*command, f"{RUNTIME_DIR}/bootstrap.py") if sandbox.image.forks else command


def _no_bootstrap(error: LaunchError) -> str:
    if error.program is None:
        return f"Couldn't find valid bootstrap(s): [{' '.join(BOOTSTRAPS)}]"
    return f"fork/exec {error.program}: {os.strerror(error.number).lower()}"


def _no_wrapper(wrapper: str, error: LaunchError, log: EnvironmentLog) -> LaunchFailure:
    """The managed runtimes' own start script says this in the log and exits."""
    missing = error.program is None and error.number == errno.ENOENT
    said, status = ("does not exist", _NOT_FOUND) if missing else ("is not an executable", _NOT_EXECUTABLE)
    log.feed(f"{wrapper}: {said}\n".encode())
    return LaunchFailure("Runtime.ExitError", f"Runtime exited with error: exit status {status}")
