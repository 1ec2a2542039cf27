"""What a Python environment runs: `prepare()` once in the zygote, then `run(api_fd)` in each forked child.

The first thing a child reads from its socket is the start message (a 32-bit big-endian length, then JSON):
`{"environment": {name: value}, "handler": "app.handler", "log_fd": 4 | null}`. Until it comes the process is blank: it
belongs to no function. After it, awslambdaric's own `run` takes over, so handler loading, context, logging and error
documents are AWS's; what is done here is to make the forked process look as if it had been started for this function.
"""

import atexit
import contextlib
import importlib
import io
import json
import os
import site
import socket
import stat
import sys
import threading
import time
import traceback
import types
from typing import Any, NoReturn

RUNTIME_DIR = os.path.dirname(os.path.abspath(__file__))  # /var/runtime in a sandbox
# Packages of ours that a function may bring in another version; its own one must win, as it does on AWS.
BUNDLED = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "jmespath", "dateutil", "six"})
# Whose models are parsed in the zygote: 16 MB shared by all children.
PREPARED_SERVICES = ("s3", "sqs", "sns", "dynamodb")

# The zygote's own modules, by name: a function's module of the same name must not find them loaded.
_foreign: list[str] = []


def prepare() -> None:
    """Import what nearly every handler needs. The pages are shared by all children until somebody writes to them."""
    import awslambdaric.bootstrap  # noqa: F401
    import bulb_runtime_api  # noqa: F401
    import bulb_runtime_json  # noqa: F401

    _name_interactive_builtins()
    _foreign.extend(name for name, module in sys.modules.items() if _is_foreign(name, module))


def prepare_sdk() -> None:
    """As `prepare`, and the AWS SDK with the models of the usual services: clients in handlers come quickly.

    Most of the time of a first `boto3.client("s3")` goes into parsing JSON. What is parsed here is shared by all
    children; botocore reads models and does not change them (its own cache hands out the same objects again).
    """
    prepare()
    import boto3.session
    import botocore.loaders

    loader = botocore.loaders.JSONFileLoader
    parse = loader.load_file
    parsed: dict[str, Any] = {}

    def parse_and_keep(self: Any, file_path: str) -> Any:
        found = parsed[file_path] = parse(self, file_path)
        return found

    def parse_unless_kept(self: Any, file_path: str) -> Any:
        return parsed[file_path] if file_path in parsed else parse(self, file_path)

    loader.load_file = parse_and_keep
    session = boto3.session.Session("nobody", "nothing", region_name="us-east-1")
    for service in PREPARED_SERVICES:
        session.client(service)
    loader.load_file = parse_unless_kept


def run(api_fd: int, restorer: Any = None) -> NoReturn:
    """Be the function's process. Never returns: ends the process with the status a fresh interpreter would end with.

    With a `restorer` the process is a template: once its init is over, `restorer.wait()` returns in forks of it only.
    """
    status = 1
    try:
        connection = socket.socket(fileno=api_fd)
        os.set_inheritable(api_fd, False)
        start = read_start(connection)
        settle(start)
        serve(connection, start["handler"], restorer)
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException:
        traceback.print_exc()
    _end(status)


def run_as_program() -> NoReturn:
    """The same for an interpreter of its own, started by a wrapper with the function's whole environment.

    The wrapper may have closed any descriptor, so the Runtime API is reached over TCP.
    """
    status = 1
    try:
        _open_streams()
        _adopt_log()
        _name_interactive_builtins()
        _set_search_path()
        # The interpreter runs without `site`; tools that instrument a function by a wrapper count on this part of it.
        with contextlib.suppress(ImportError):
            importlib.import_module("sitecustomize")
        host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve(connection, os.environ["_HANDLER"])
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException:
        traceback.print_exc()
    _end(status)


def _adopt_log() -> None:
    """Use the log descriptor only if it is still the pipe we were told of."""
    try:
        fd = int(os.environ["_LAMBDA_TELEMETRY_LOG_FD"])
        is_ours = stat.S_ISFIFO(os.fstat(fd).st_mode)
    except (KeyError, ValueError, OSError):
        is_ours = False
    if is_ours:
        os.set_inheritable(fd, False)
    else:
        os.environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)


def read_start(connection: socket.socket) -> dict[str, Any]:
    """The start message. Raises SystemExit when the host goes away instead."""
    size = int.from_bytes(_exactly(connection, 4), "big")
    start: dict[str, Any] = json.loads(_exactly(connection, size))
    return start


def settle(start: dict[str, Any]) -> None:
    """Take on the function's environment: variables, time zone, standard streams, module search path."""
    os.environ.clear()
    os.environ.update(start["environment"])
    # Code that was mounted over this directory is only seen by who enters it anew.
    os.chdir(os.environ.get("LAMBDA_TASK_ROOT", "/var/task"))
    time.tzset()
    _open_streams()
    log_fd = start.get("log_fd")
    if log_fd is not None:
        os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(log_fd)
        os.set_inheritable(log_fd, False)
    sys.argv = [RUNTIME_DIR + "/bootstrap.py"]
    _replace_main_module()
    for name in _foreign:
        sys.modules.pop(name, None)
    _set_search_path()


def serve(connection: socket.socket, handler: str, restorer: Any = None) -> None:
    """Hand over to awslambdaric; what it read from the environment at import is read again first."""
    from awslambdaric import bootstrap
    from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient
    from bulb_runtime_api import SocketRuntimeClient
    from bulb_runtime_json import marshaller

    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") or os.environ.get("AWS_LAMBDA_LOG_LEVEL"):
        importlib.reload(bootstrap)
    BaseLambdaRuntimeClient.marshaller = marshaller()
    bootstrap.run(handler, SocketRuntimeClient(connection, restorer))


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise SystemExit(0)
        data += part
    return bytes(data)


def _open_streams() -> None:
    """Fresh text streams on descriptors 1 and 2: the zygote's may hold another encoding or unwritten text."""
    for descriptor, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115
        stream = io.TextIOWrapper(raw, "utf-8", errors, line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _replace_main_module() -> None:
    """The zygote's `__main__` is not the function's business (pickle and multiprocessing look at it)."""
    sys.modules["bulb_zygote"] = sys.modules["__main__"]  # kept: the code still running is its code
    main = types.ModuleType("__main__")
    main.__file__ = sys.argv[0]
    sys.modules["__main__"] = main


def _set_search_path() -> None:
    """The package, layers, PYTHONPATH (/var/runtime unless the function says otherwise), the standard library."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    layers = os.environ.get("LAMBDA_LAYERS_ROOT", "/opt")
    named = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    first = [task, f"{layers}/python/lib/{version}/site-packages", f"{layers}/python", *named]
    if RUNTIME_DIR not in first:
        first.append(RUNTIME_DIR)
    sys.path[:] = [*dict.fromkeys(first), *filter(_is_standard_library, sys.path)]
    if any(map(_brings_own_sdk, sys.path[: sys.path.index(RUNTIME_DIR)])):
        _forget_bundled()


def _is_standard_library(directory: str) -> bool:
    """Not the zygote's own directory, and no site-packages: functions see what they pack, not what the machine has."""
    library = os.path.dirname(os.__file__)
    archive = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    return directory in (library, library + "/lib-dynload") or os.path.basename(directory) == archive


def _is_foreign(name: str, module: types.ModuleType) -> bool:
    """Neither the standard library's nor from our runtime directory."""
    file = getattr(module, "__file__", None)
    library = os.path.dirname(os.__file__)
    return name != "__main__" and bool(file) and not str(file).startswith((library + "/", RUNTIME_DIR + "/"))


def _brings_own_sdk(directory: str) -> bool:
    try:
        return any(name.partition(".")[0] in BUNDLED for name in os.listdir(directory))
    except OSError:
        return False


def _forget_bundled() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in BUNDLED]:
        del sys.modules[name]


def _name_interactive_builtins() -> None:
    """`exit`, `quit`, `help` and so on: the interpreter runs without `site`, whose packages are the machine's own."""
    site.setquit()
    site.setcopyright()
    site.sethelper()


def _exit_status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    print(stop.code, file=sys.stderr)
    return 1


def _end(status: int) -> NoReturn:
    """Finish as an interpreter does: other threads, exit functions, unwritten output. Then leave without unwinding."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # joins what is not a daemon
        atexit._run_exitfuncs()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)
