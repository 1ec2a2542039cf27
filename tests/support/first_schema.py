"""A database as the first schema had it, with what a server of that time had written into it.

The rows are such a server's own, copied out after it was killed, but for the times.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from bulb.storage.migrations import runner
from tests.support.functions import PYTHON, ROLE, zipped

REVISION = "0001"
ACCOUNT, REGION = "000000000000", "us-east-1"
OWNED = {"account": ACCOUNT, "region": REGION}
ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
STREAM = "2026/11/21/[$LATEST]d1a082ad7d89b9453714faba3ce576fa"
SOURCES = {
    "kept": """
        import json, os

        def handler(event, context):
            print("told", json.dumps(event))
            return {"event": event, "greeting": os.environ.get("GREETING"), "version": context.function_version}
    """,
    "failing": """
        def handler(event, context):
            raise ValueError("no")
    """,
}


def make(connection: Connection) -> None:
    """The tables, empty."""
    first = runner.scripts().get_revision(REVISION)
    with Operations.context(MigrationContext.configure(connection)):
        first.module.upgrade()
    stamp(connection, REVISION)


def stamp(connection: Connection, revision: str) -> None:
    """Say that the tables are of that revision."""
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})


def fill(connection: Connection, blobs: Path, now: float) -> None:
    """Two functions, a policy, a bucket that tells one of them, an object, a role, log lines, a ledger, a late event.

    The event, an upload that `failing` failed for once, is due again after an hour. Its row names no chain of requests.
    """
    tables = MetaData()
    tables.reflect(connection)

    def insert(table: str, **row: Any) -> None:
        connection.execute(tables.tables[table].insert(), row)

    insert("storage_generation", id=1, generation=7)
    for name in SOURCES:
        _function(insert, blobs, name, now)
    _policy(insert)
    _bucket(insert, blobs, now)
    _role(insert, now)
    _log(insert, int(now * 1000))
    insert(
        "billing_ledger",
        **OWNED,
        function="kept",
        version="$LATEST",
        architecture="x86_64",
        hour=int(now // 3600),
        requests=2,
        billed_ms=31,
        memory_mb_ms=7936,
        ephemeral_mb_ms=0,
    )
    insert(
        "storage_queue",
        queue="lambda:async",
        lane=f"{ACCOUNT}:{REGION}:failing:",
        visible_at=now + 3600,
        lease_generation=0,
        attempts=1,
        enqueued_at=now - 60,
        expires_at=now - 60 + 6 * 3600,
        attributes={
            **OWNED,
            "name": "failing",
            "qualifier": None,
            "request_id": "51ffd6f9-7191-4d04-b0d2-fa28334007ba",
            "trace_header": None,
            "client_context": None,
        },
        payload=b'{"x":1}',
    )


def _function(insert: Any, blobs: Path, name: str, now: float) -> None:
    package = zipped(app=SOURCES[name])
    digest = _blob(insert, blobs, package, references=2)
    definition = {
        "identity": f"8185b403-c53f-4b49-8808-{name:0>12}",
        "code": {"digest": digest, "size": len(package)},
        "runtime": PYTHON,
        "handler": "app.handler",
        "role": ROLE,
        "logging": {
            "log_group": f"/aws/lambda/{name}",
            "log_format": "Text",
            "application_log_level": None,
            "system_log_level": None,
        },
        "description": "d",
        "timeout_s": 7,
        "memory_mb": 256,
        "ephemeral_mb": 512,
        "architecture": "x86_64",
        "variables": {"GREETING": "hello"},
    }
    insert("lambda_functions", **OWNED, name=name, created_at=now, next_version=1, tags='{"team": "a"}')
    insert(
        "lambda_versions",
        **OWNED,
        name=name,
        version="$LATEST",
        revision_id="ad886a19-a6d1-4aee-a9d2-8e0bccc594cc",
        last_modified=now,
        state="Active",
        update_status="Successful",
        failure=None,
        definition=json.dumps(definition, separators=(",", ":")),
        running=json.dumps(definition, separators=(",", ":")),
        code_size=len(package),
    )


def _policy(insert: Any) -> None:
    statement = {
        "Sid": "s3",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "lambda:InvokeFunction",
        "Resource": f"{ARN}:kept",
        "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::uploads"}},
    }
    insert(
        "lambda_policies",
        **OWNED,
        name="kept",
        qualifier="",
        revision_id="f407aaf6-05ad-43d8-aa8c-5163149f5e34",
        statements=json.dumps([statement]),
    )


def _bucket(insert: Any, blobs: Path, now: float) -> None:
    told = {"id": "21f9", "arn": f"{ARN}:kept", "events": ["s3:ObjectCreated:*"], "prefix": "", "suffix": ""}
    sequence = int(now * 1_000_000)
    insert(
        "s3_buckets",
        **OWNED,
        name="uploads",
        created_at=now,
        versioning="",
        notifications=json.dumps([told]),
        sequence=sequence,
        tags="[]",
    )
    insert(
        "s3_objects",
        bucket="uploads",
        key="a/b.txt",
        sequence=sequence,
        version_id="null",
        is_latest=True,
        is_delete_marker=False,
        last_modified=float(int(now)),
        size=5,
        etag="5d41402abc4b2a76b9719d911017c592",
        storage_class="STANDARD",
        checksum_algorithm="CRC32",
        checksum_value="NhCmhg==",
        checksum_type="FULL_OBJECT",
        digest=_blob(insert, blobs, b"hello", references=1),
        headers="{}",
        metadata="{}",
        tags="[]",
    )


def _role(insert: Any, now: float) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    insert(
        "identity_roles",
        id="AROAC2LDKVJO2GQQTZVWU",
        account=ACCOUNT,
        name="worker",
        folded="worker",
        path="/",
        created_at=now,
        description=None,
        max_session_s=3600,
        tags={},
        trust_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )


def _log(insert: Any, now_ms: int) -> None:
    body = json.dumps([[now_ms, 'told {"a": 1}\n']], separators=(",", ":")).encode()
    insert(
        "telemetry_log_groups",
        **OWNED,
        name="/aws/lambda/kept",
        created_ms=now_ms,
        retention_days=None,
        log_class="STANDARD",
        is_protected=False,
        tags={},
    )
    about = {"first_ms": now_ms, "last_ms": now_ms, "ingested_ms": now_ms, "stored_bytes": 40}
    insert("telemetry_log_streams", group_id=1, name=STREAM, created_ms=now_ms, **about)
    insert("telemetry_log_chunks", group_id=1, stream_id=1, body=body, **about)


def _blob(insert: Any, blobs: Path, data: bytes, references: int) -> str:
    digest = hashlib.sha256(data).hexdigest()
    folder = blobs / digest[:2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / digest[2:]).write_bytes(data)
    insert("storage_blobs", digest=digest, size=len(data), reference_count=references, released_at=0.0)
    return digest
