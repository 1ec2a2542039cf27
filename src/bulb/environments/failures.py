"""The documents a caller gets when an environment, not the function's own code, reports the failure. Pure.

Source: error payloads recorded from the live service, November 2025.
"""

import signal

import orjson

from bulb.environments.model import Reply

# How Go's os package names signals, which is what Lambda prints.
_SIGNAL_NAMES = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGILL: "illegal instruction",
    signal.SIGTERM: "terminated",
    signal.SIGINT: "interrupt",
    signal.SIGHUP: "hangup",
    signal.SIGQUIT: "quit",
    signal.SIGPIPE: "broken pipe",
    signal.SIGALRM: "alarm clock",
    signal.SIGTRAP: "trace/breakpoint trap",
    signal.SIGSYS: "bad system call",
}


def _document(error_type: str, message: str) -> bytes:
    return orjson.dumps({"errorType": error_type, "errorMessage": message})


def timed_out(request_id: str, timeout_s: float) -> Reply:
    """The function's timeout has passed."""
    text = f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds"
    return Reply(_document("Sandbox.Timedout", text), "timeout", "Sandbox.Timedout")


def exited(request_id: str, status: int | None, signal_number: int | None) -> Reply:
    """The runtime's process ended without an answer; an exit by OOM is a SIGKILL."""
    if signal_number is not None:
        how = f"Runtime exited with error: signal: {_signal_name(signal_number)}"
    elif status:
        how = f"Runtime exited with error: exit status {status}"
    else:
        how = "Runtime exited without providing a reason"
    text = f"RequestId: {request_id} Error: {how}"
    return Reply(_document("Runtime.ExitError", text), "error", "Runtime.ExitError")


def not_started(request_id: str, error_type: str, reason: str) -> Reply:
    """The runtime could not be started."""
    return Reply(_document(error_type, f"RequestId: {request_id} Error: {reason}"), "error", error_type)


def extension(request_id: str, error_type: str, how: str) -> Reply:
    """An extension could not be started, could not initialise, or ended. `error_type` is one of `Extension.…`."""
    return Reply(_document(error_type, f"RequestId: {request_id} Error: {how}"), "error", error_type)


def ending(status: int | None, signal_number: int | None) -> str:
    """How an extension's process ended, in words."""
    if signal_number is not None:
        return f"signal: {_signal_name(signal_number)}"
    return f"exit status {status}" if status else "exit code 0"


def response_too_large(limit: int) -> Reply:
    """The function answered more than `limit` bytes."""
    text = f"Response payload size exceeded maximum allowed payload size ({limit} bytes)."
    body = orjson.dumps({"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"})
    return Reply(body, "error", "Function.ResponseSizeTooLarge")


def truncated(request_id: str) -> Reply:
    """The runtime began to send a response and broke off."""
    text = f"RequestId: {request_id} Error: The runtime's response ended before it was complete"
    return Reply(_document("Runtime.TruncatedResponse", text), "error", "Runtime.TruncatedResponse")


def invalid_response_mode(request_id: str) -> Reply:
    """The runtime named a way of responding that there is not."""
    text = f"RequestId: {request_id} Error: Invalid function response mode"
    return Reply(_document("Runtime.InvalidResponseModeHeader", text), "error", "Runtime.InvalidResponseModeHeader")


def _signal_name(number: int) -> str:
    try:
        return _SIGNAL_NAMES.get(signal.Signals(number)) or f"signal {number}"
    except ValueError:
        return f"signal {number}"
