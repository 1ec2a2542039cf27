"""The environment of a function, name by name."""

from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.variables import Credentials, environment_variables, reserved_in


def build(runtime: str = "python3.12", **more: object) -> dict[str, str]:
    arguments: dict[str, object] = {
        "runtime": RUNTIMES[runtime],
        "function_name": "f",
        "function_version": "$LATEST",
        "memory_mb": 256,
        "handler": "app.handler",
        "region": "eu-west-1",
        "log_group": "/aws/lambda/f",
        "log_stream": "2026/11/21/[$LATEST]0",
        "credentials": Credentials("AKID", "secret", "token"),
        **more,
    }
    return environment_variables(**arguments)  # type: ignore[arg-type]


def test_the_whole_environment() -> None:
    assert build(endpoint_url="http://127.0.0.1:4566") == {
        "_HANDLER": "app.handler",
        "_AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/21/[$LATEST]0",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "169.254.100.1:2000",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "LANG": "en_US.UTF-8",
        "LD_LIBRARY_PATH": (
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
        ),
        "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "PWD": "/var/task",
        "PYTHONPATH": "/var/runtime",
        "SHLVL": "0",
        "TZ": ":UTC",
    }


def test_customers_variables() -> None:
    found = build(customer={"MINE": "1", "_PRIVATE": "x", "PATH": "/mine", "AWS_REGION": "mars", "TZ": "Europe/Paris"})
    assert found["MINE"] == "1"
    assert "_PRIVATE" not in found
    assert (found["PATH"], found["TZ"], found["AWS_REGION"]) == ("/mine", "Europe/Paris", "eu-west-1")


def test_reserved_names_are_listed_in_order() -> None:
    assert reserved_in({"X": "", "LAMBDA_TASK_ROOT": "", "AWS_REGION": ""}) == ["LAMBDA_TASK_ROOT", "AWS_REGION"]


def test_node_path() -> None:
    found = build("nodejs24.x")
    assert found["NODE_PATH"] == (
        "/opt/nodejs/node24/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task"
    )
    assert "PYTHONPATH" not in found


def test_logging_only_where_it_is_configured() -> None:
    assert not [name for name in build() if name in ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL")]
    found = build(log_format="JSON")
    assert (found["AWS_LAMBDA_LOG_FORMAT"], found["AWS_LAMBDA_LOG_LEVEL"]) == ("JSON", "INFO")
    assert build(log_format="JSON", log_level="ERROR")["AWS_LAMBDA_LOG_LEVEL"] == "ERROR"


def test_os_only_runtimes_name_no_execution_environment() -> None:
    assert "AWS_EXECUTION_ENV" not in build("provided.al2023")
