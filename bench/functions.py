"""The functions that are measured: as small as a handler can be."""

import io
import sys
import zipfile
from typing import Any

import boto3
from botocore.config import Config

PYTHON_RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ROLE = "arn:aws:iam::000000000000:role/bench"
PYTHON = "def handler(event, context):\n    return 1\n"
SLEEPER = (
    "import time\n"
    "def handler(event, context):\n"
    "    began = time.time()\n"
    "    time.sleep(event['until'] - began if event['until'] > began else 0)\n"
    "    return [began, time.time()]\n"
)
NODE = "exports.handler = async () => 1;\n"


def client(port: int) -> Any:
    """A boto3 client for setting up."""
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="000000000000",
        aws_secret_access_key="bench",
        config=Config(retries={"max_attempts": 1}),
    )


def zipped(name: str, source: str) -> bytes:
    """A deployment package of one file."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = 0o644 << 16
        package.writestr(entry, source)
    return archive.getvalue()


def create(aws: Any, name: str, runtime: str, source: str, **settings: Any) -> None:
    """Create a function and wait until it is active."""
    file = "index.js" if runtime.startswith("nodejs") else "app.py"
    aws.create_function(
        FunctionName=name,
        Runtime=runtime,
        Role=ROLE,
        Handler=file.split(".", maxsplit=1)[0] + ".handler",
        Code={"ZipFile": zipped(file, source)},
        **settings,
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
