"""Making functions for tests, with boto3 as anybody would."""

import io
import json
import sys
import textwrap
import zipfile
from typing import Any

from tests.support.waiting import until

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/test"


def zipped(**files: str | bytes) -> bytes:
    """A deployment package; `app` is the file app.py, `index_js` is index.js."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as package:
        for name, source in files.items():
            path = name.replace("_js", ".js") if name.endswith("_js") else f"{name}.py"
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o644 << 16  # zipfile's own default, 0600, cannot be read by a function
            package.writestr(entry, textwrap.dedent(source) if isinstance(source, str) else source)
    return archive.getvalue()


def create(aws: Any, name: str, source: str, **settings: Any) -> str:
    """Create a function of one file and wait until it is active; its ARN."""
    runtime = settings.pop("Runtime", PYTHON)
    package = zipped(index_js=source) if runtime.startswith("nodejs") else zipped(app=source)
    settings.setdefault("Handler", "index.handler" if runtime.startswith("nodejs") else "app.handler")
    created = aws.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Code={"ZipFile": package}, **settings)
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 1_000})
    arn: str = created["FunctionArn"]
    return arn


def invoke(aws: Any, name: str, event: Any = None, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """Invoke and parse; the answer's document and the whole response."""
    response = aws.invoke(FunctionName=name, Payload=json.dumps(event if event is not None else {}), **settings)
    body = response["Payload"].read()
    return (json.loads(body) if body else None), response


def only_one(aws: Any, name: str) -> None:
    """From now on the function has one environment at most, and whoever invokes it while that is busy is refused."""
    aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)


def invoke_again(aws: Any, name: str, event: Any = None, **settings: Any) -> tuple[Any, dict[str, Any]]:
    """As `invoke`, in the environment that the function (`only_one`) has: that may be busy a while after its answer."""

    def look() -> tuple[Any, dict[str, Any]] | None:
        try:
            return invoke(aws, name, event, **settings)
        except aws.exceptions.TooManyRequestsException:
            return None

    answered = until(look, f"the environment of {name} to be free")
    assert answered is not None
    return answered
