# ruff: noqa: E501 - an attack is a program in a line
"""Hostile inits of functions with SnapStart: what is copied must not harm the server, a neighbour, or the next copy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.hostile import Neighbour, server
from tests.e2e.test_snapstart import RUNTIME, SNAPSHOT
from tests.sandbox.support import processes_of
from tests.support.bulb import Running
from tests.support.functions import create, invoke
from tests.support.waiting import until

# The attack runs once, where the template is made; the channel on which the server asks for copies is found by trying.
SOURCE = """
import array, gc, os, random, signal, socket, struct, sys, threading, time
from snapshot_restore_py import register_after_restore, register_before_snapshot

def channel():
    for fd in range(3, 64):
        try:
            s = socket.socket(fileno=os.dup(fd))
            if s.family == socket.AF_UNIX and s.type == socket.SOCK_SEQPACKET:
                return s
            s.close()
        except OSError:
            pass
    return None

def steal(answers):
    # Take the server's orders in the template's place, and answer them.
    def wait(self):
        c = socket.socket(fileno=os.dup(self._channel))
        while True:
            data, fds, _, _ = socket.recv_fds(c, 65536, 16)
            if not data:
                os._exit(0)
            told = socket.socket(fileno=fds[0])
            for answer in answers:
                try:
                    told.send(answer)
                except OSError:
                    break
            kept.append((told, fds))
    (restorer,) = [thing for thing in gc.get_objects() if type(thing).__name__ == "Restorer"]
    type(restorer).wait = wait

kept = []
if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    ATTACK

def handler(event, context):
    return [os.getuid(), 42]
"""
FAILS = {"SnapStartException", "ServiceException", "SnapStartTimeoutException", "SnapStartNotReadyException"}
ATTACKS = {
    "leaves threads": "[threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start() for _ in range(9)]",
    "leaves children": "\n    for n in range(20):\n        if os.fork() == 0:\n            time.sleep(99)",
    "is large": "kept.append(bytearray(os.urandom(1)) * (300 << 20))",
    "fills tmp": "open('/tmp/big', 'wb').write(bytes(300 << 20))",
    "puts strange things into tmp": (
        "os.mkfifo('/tmp/pipe'); os.symlink('loop', '/tmp/loop'); os.symlink('/', '/tmp/root'); "
        "socket.socket(socket.AF_UNIX).bind('/tmp/socket'); open('/tmp/secret', 'w').close(); os.chmod('/tmp/secret', 0)"
    ),
    "nests tmp": "os.chdir('/tmp')\n    for n in range(3000):\n        os.mkdir('d')\n        os.chdir('d')",
    "closes the channel": "c = channel(); c and c.shutdown(2)",
    "writes to the channel": "c = channel(); [c.send(os.urandom(99)) for n in range(9)]",
    "closes everything": "os.closerange(3, 1024)",
    "answers for its copies with noise": "steal([os.urandom(99), b''])",
    "says that they ended, in noise": "steal([b'exit'])",
    "says that they ended, in numbers": "steal([b'exit ' + b'9' * 99 + b' 1 1'])",
    "says that they were born, often": "steal([b'born'] * 3000 + [b'exit 0 0 0'])",
    "says that they left, often": "steal([b'left'] * 300 + [b'failed for fun'])",
    "passes descriptors to the server": (
        "c = channel(); [socket.send_fds(c, [b'x'], [1, 2] * 8) for n in range(50)]"
    ),
    "takes orders and does nothing": "steal([])",
    "ignores signals": "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 13, 14, 15, 17)]",
    "forks often once restored": "register_after_restore(lambda: [os.fork() for _ in range(8)])",
    "closes everything once restored": "register_after_restore(lambda: os.closerange(0, 1024))",
    "ends once restored": "register_after_restore(lambda: os._exit(9))",
    "never ends its snapshot": "register_before_snapshot(lambda: os._exit(9))",
}  # fmt: skip

# Each invocation takes as long as a restore may.
SLOW = {"takes orders and does nothing", "forks often once restored"}


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("snapshots") / "data") as running:
        if running.isolation != "full":
            pytest.skip(f"snapshots need the full rung; this is {running.isolation}")
        yield running


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module")
def neighbour(aws: Any) -> Neighbour:
    return Neighbour(aws)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    neighbour.assert_undisturbed()
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def descriptors() -> int:
    """What the server, which runs in this process, has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("what", ATTACKS)
def test_a_hostile_init(bulb: Running, aws: Any, what: str) -> None:
    name = f"snap-{'-'.join(what.replace(',', '').split())}"
    source = SOURCE.replace("ATTACK", ATTACKS[what])
    create(aws, name, source, Runtime=RUNTIME, SnapStart=SNAPSHOT, Timeout=5, MemorySize=512)
    latest, _ = invoke(aws, name)  # Without a snapshot it is an ordinary function.
    assert latest[1] == 42
    open_before = descriptors()
    version = aws.publish_version(FunctionName=name)["Version"]

    def settled() -> Any:
        shown = aws.get_function_configuration(FunctionName=name, Qualifier=version)
        return shown["State"] if shown["State"] != "Pending" else None

    state = until(settled, "the end of Pending", 120)
    if "steal" in ATTACKS[what]:
        assert state == "Active"  # What is tried here comes after the init.
    uids = set()
    for _ in range(1 if what in SLOW else 2):
        try:
            document, response = invoke(aws, name, Qualifier=version)
        except ClientError as error:
            assert error.response["Error"]["Code"] in FAILS or state == "Failed", error
        else:
            if "FunctionError" not in response:
                assert document[1] == 42
                uids.add(document[0])
    aws.delete_function(FunctionName=name)
    for uid in uids:
        until(lambda uid=uid: not processes_of(uid), "the end of its processes")  # type: ignore[misc]
    if "steal" in ATTACKS[what]:
        assert not uids
    until(lambda: descriptors() < open_before + 40, "the end of its descriptors")
