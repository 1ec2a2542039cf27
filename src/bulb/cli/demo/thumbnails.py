"""The demo's function: one uploaded picture in, three thumbnails out. Runs inside Lambda; plain boto3 and Pillow."""

import io
from typing import Any
from urllib.parse import unquote_plus

import boto3
from PIL import Image

SIZES = {"large": 640, "medium": 320, "small": 128}

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """Write one JPEG per size beside the upload, under thumbnails/."""
    written = []
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        picture = Image.open(io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        print(f"{key}: {picture.width} x {picture.height} {picture.format}")
        name = key.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        for size, edge in SIZES.items():
            small = picture.convert("RGB")
            small.thumbnail((edge, edge))
            body = io.BytesIO()
            small.save(body, "JPEG", quality=85)
            target = f"thumbnails/{name}-{size}.jpg"
            s3.put_object(Bucket=bucket, Key=target, Body=body.getvalue(), ContentType="image/jpeg")
            written.append(target)
    return {"written": written}
