"""The complete environment a function's process sees, and the names a customer may not set."""

from collections.abc import Mapping
from dataclasses import dataclass

from bulb.runtimes.catalogue import Runtime

TASK_ROOT = "/var/task"
RUNTIME_DIR = "/var/runtime"

# Reference: environment variables, marked as reserved. CreateFunction and UpdateFunctionConfiguration refuse these.
RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_METADATA_API",
        "AWS_LAMBDA_METADATA_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


_RUNTIME_ONLY = frozenset(
    {
        "_HANDLER",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_FORMAT",
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "NODE_PATH",
        "PYTHONPATH",
    }
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """The execution role's session."""

    access_key_id: str
    secret_access_key: str
    session_token: str


def base_variables(runtime: Runtime) -> dict[str, str]:
    """What the process is started with, before its function is known: paths, language and time zone only."""
    variables = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LD_LIBRARY_PATH": (
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
        ),
    }
    if runtime.family == "python":
        variables["PYTHONPATH"] = RUNTIME_DIR
    elif runtime.family == "nodejs":
        variables["NODE_PATH"] = (
            f"/opt/nodejs/node{runtime.version}/node_modules:/opt/nodejs/node_modules:"
            "/var/runtime/node_modules:/var/runtime:/var/task"
        )
    return variables


def environment_variables(
    *,
    runtime: Runtime,
    function_name: str,
    function_version: str,
    memory_mb: int,
    handler: str,
    region: str,
    log_group: str,
    log_stream: str,
    credentials: Credentials | None,
    credentials_provider: Mapping[str, str] | None = None,
    runtime_api: str = "127.0.0.1:9001",
    initialization_type: str = "on-demand",
    customer: Mapping[str, str] | None = None,
    endpoint_url: str | None = None,
    log_format: str = "Text",
    log_level: str | None = None,
    task_root: str = TASK_ROOT,
    runtime_dir: str = RUNTIME_DIR,
) -> dict[str, str]:
    """Everything in the process's environment.

    A customer's variable replaces any of ours that is not reserved; names that begin with `_` are not passed.
    Credentials are given, or `credentials_provider` has the variables that say where to ask for them. `endpoint_url`
    becomes AWS_ENDPOINT_URL, so that any SDK in the function reaches this Bulb. The trace id is not here: the runtime
    sets it per invocation.
    """
    variables = base_variables(runtime)
    variables["AWS_XRAY_CONTEXT_MISSING"] = "LOG_ERROR"
    variables["AWS_XRAY_DAEMON_ADDRESS"] = "169.254.100.1:2000"
    variables["PWD"] = task_root
    variables["SHLVL"] = "0"
    if endpoint_url is not None:
        variables["AWS_ENDPOINT_URL"] = endpoint_url
    for name, value in (customer or {}).items():
        if not name.startswith("_") and name not in RESERVED:
            variables[name] = value
    variables.update(
        {
            "_HANDLER": handler,
            "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
            "_AWS_XRAY_DAEMON_PORT": "2000",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_LAMBDA_FUNCTION_NAME": function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": function_version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type,
            "AWS_LAMBDA_RUNTIME_API": runtime_api,
            "LAMBDA_TASK_ROOT": task_root,
            "LAMBDA_RUNTIME_DIR": runtime_dir,
        }
    )
    if runtime.execution_env is not None:
        variables["AWS_EXECUTION_ENV"] = runtime.execution_env
    if initialization_type != "snap-start":  # what is copied many times logs to many streams
        variables["AWS_LAMBDA_LOG_GROUP_NAME"] = log_group
        variables["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream
    variables.update(credentials_provider or {})
    if credentials is not None:
        variables["AWS_ACCESS_KEY_ID"] = credentials.access_key_id
        variables["AWS_SECRET_ACCESS_KEY"] = credentials.secret_access_key
        variables["AWS_SESSION_TOKEN"] = credentials.session_token
    variables.update(_logging(log_format, log_level))
    return variables


def extension_variables(variables: Mapping[str, str], customer: Mapping[str, str]) -> dict[str, str]:
    """Of a function's whole environment what its external extensions get: nothing that is only the runtime's."""
    return {name: value for name, value in variables.items() if name not in _RUNTIME_ONLY or name in customer}


def reserved_in(customer: Mapping[str, str]) -> list[str]:
    """The customer's variables that carry a reserved name, in their order: the refusal lists them."""
    return [name for name in customer if name in RESERVED]


def _logging(log_format: str, log_level: str | None) -> dict[str, str]:
    """Present only where JSON logging or a level is configured."""
    variables = {}
    if log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = log_level or "INFO"
    elif log_level:
        variables["AWS_LAMBDA_LOG_LEVEL"] = log_level
    return variables
