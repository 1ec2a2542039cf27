"""A picture dropped in a bucket becomes three thumbnails; a hundred three hundred, whatever happens meanwhile."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from tests.support import pictures
from tests.support.bulb import Process, Running, running_bulb
from tests.support.waiting import until

BUCKET = "pictures"


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_bulb(tmp_path_factory.mktemp("pictures") / "data") as running:
        yield running


def put_picture(s3: Any, stem: str, number: int) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"uploads/{stem}.jpg", Body=pictures.picture(number), ContentType="image/jpeg")


def prepare(server: Running | Process) -> Any:
    s3 = server.client("s3", max_pool_connections=20)
    s3.create_bucket(Bucket=BUCKET)
    pictures.notify(s3, BUCKET, pictures.deploy(server.client("lambda")))
    return s3


def test_a_hundred_pictures_become_three_hundred_thumbnails(bulb: Running) -> None:
    s3 = prepare(bulb)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: put_picture(s3, f"p{n}", n), range(100)))
    wanted = set().union(*(pictures.expected(f"p{n}") for n in range(100)))
    until(lambda: pictures.thumbnails(s3, BUCKET) >= wanted, "300 thumbnails", 240, every=0.2)
    assert len(pictures.thumbnails(s3, BUCKET)) == 300
    body = s3.get_object(Bucket=BUCKET, Key="thumbnails/p7-small.jpg")["Body"].read()
    assert Image.open(io.BytesIO(body)).width == 128


def aws(url: str, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [str(Path(sys.executable).with_name("aws")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_same_with_the_aws_cli(bulb: Running, tmp_path: Path) -> None:
    arn = pictures.deploy(bulb.client("lambda"), "thumbnails-cli")
    aws(bulb.url, "s3", "mb", "s3://cli-pictures")
    configuration = {
        "LambdaFunctionConfigurations": [
            {
                "LambdaFunctionArn": arn,
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}},
            }
        ]
    }
    file = tmp_path / "light.jpg"
    file.write_bytes(pictures.picture(1))
    aws(
        bulb.url, "s3api", "put-bucket-notification-configuration",
        "--bucket", "cli-pictures", "--notification-configuration", json.dumps(configuration),
    )  # fmt: skip
    aws(bulb.url, "s3", "cp", str(file), "s3://cli-pictures/uploads/light.jpg")
    s3 = bulb.client("s3")
    until(lambda: pictures.thumbnails(s3, "cli-pictures") == pictures.expected("light"), "three thumbnails", 90)


def test_nothing_answered_is_lost_when_bulb_is_killed_five_times(tmp_path: Path) -> None:
    server = Process(tmp_path / "data")
    server.start()
    port, chance = server.port, random.Random(7)
    answered: set[str] = set()
    try:
        prepare(server)
        for round_number in range(5):
            waiting = [f"r{round_number}n{n}" for n in range(20)]
            kill_after = chance.randrange(1, 20)
            _upload_until(server, waiting, answered, kill_after)
            server.kill()
            server.start(port)
        s3 = server.client("s3")
        unanswered = {f"r{r}n{n}" for r in range(5) for n in range(20)} - answered
        for stem in unanswered:
            put_picture(s3, stem, 1)
        wanted = set().union(*(pictures.expected(stem) for stem in answered | unanswered))
        assert len(wanted) == 300
        until(lambda: pictures.thumbnails(s3, BUCKET) >= wanted, "300 thumbnails", 300, every=0.2)
        assert pictures.thumbnails(s3, BUCKET) == wanted
        for stem in answered:
            s3.head_object(Bucket=BUCKET, Key=f"uploads/{stem}.jpg")
    finally:
        server.stop()


def _upload_until(server: Process, stems: list[str], answered: set[str], kill_after: int) -> None:
    """Upload side by side; the server is killed while the answer to upload `kill_after` is on its way to us."""
    s3 = server.client("s3", max_pool_connections=8, connect_timeout=5, read_timeout=10)

    def one(stem: str) -> None:
        with contextlib.suppress(BotoCoreError, ClientError, OSError):
            put_picture(s3, stem, 1)
            answered.add(stem)
            if len(answered) % 20 == kill_after:
                server.kill_now()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, stems))
