"""The AWS CLI: one session of `s3` and one `s3api`, since each start takes a second."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.services.s3.conftest import Served

AWS = Path(sys.executable).parent / "aws"


def aws(served: Served, *arguments: str) -> str:
    """Run the CLI against the server; its output."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(served.folder),
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": served.url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run([AWS, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cp_sync_ls_rm(served: Served, s3: Any, bucket: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a b.jpg").write_bytes(b"a")
    (folder / "large.bin").write_bytes(bytes(9 * 1024**2))
    aws(served, "s3", "sync", str(folder), f"s3://{bucket}/here")
    assert {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {
        "here/in/a b.jpg": 1,
        "here/large.bin": 9 * 1024**2,
    }
    assert "PRE in/" in aws(served, "s3", "ls", f"s3://{bucket}/here/")
    aws(served, "s3", "cp", f"s3://{bucket}/here/large.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == bytes(9 * 1024**2)
    aws(served, "s3", "rm", "--recursive", f"s3://{bucket}/")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_put_bucket_notification_configuration(served: Served, s3: Any, bucket: str) -> None:
    configuration = (
        '{"LambdaFunctionConfigurations":[{"LambdaFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:f",'
        '"Events":["s3:ObjectCreated:*"],"Filter":{"Key":{"FilterRules":[{"Name":"prefix","Value":"in/"}]}}}]}'
    )
    arguments = ("--bucket", bucket, "--notification-configuration", configuration)
    aws(served, "s3api", "put-bucket-notification-configuration", *arguments)
    (told,) = s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"]
    assert told["Events"] == ["s3:ObjectCreated:*"]
    assert told["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "in/"}]
    whole = {"LambdaFunctionConfigurations": [told]}  # What is shown can be put, as tools do that add to what is there.
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=whole)
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["LambdaFunctionConfigurations"] == [told]
