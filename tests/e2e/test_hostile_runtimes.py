# ruff: noqa: E501 - an attack is a program in a line
"""Hostile programs of custom runtimes and wrappers: liars over HTTP, and those who go for their supervisor."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hostile import OBEDIENT, Function, Neighbour, server
from tests.e2e.test_custom_runtimes import create, packed
from tests.support import functions
from tests.support.bulb import Running

pytestmark = pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="no Python in /usr to write it in")

# A runtime by hand: `sock()` a connection, `take(s)` the next event's request id, `ATTACK` once, then honest for ever.
BOOTSTRAP = """#!/usr/bin/python3
import json, os, signal, socket, sys, time
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
BASE = b"/2018-06-01/runtime/invocation/"

def sock():
    return socket.create_connection((HOST, int(PORT)))

def read(s):
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        got = s.recv(1)
        if not got:
            return head, b""
        head += got
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\\r\\n")[0] or 0)
    body = b""
    while len(body) < size:
        body += s.recv(size - len(body))
    return head, body

def take(s):
    s.sendall(b"GET " + BASE + b"next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    head, body = read(s)
    global EVENT
    EVENT = json.loads(body)
    return head.lower().partition(b"aws-request-id: ")[2].partition(b"\\r\\n")[0]

def post(s, id, body, headers=b"", path=b"/response"):
    s.sendall(b"POST " + BASE + id + path + b" HTTP/1.1\\r\\nHost: x\\r\\n" + headers
              + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    return read(s)[0][9:12]

STREAM = b"Lambda-Runtime-Function-Response-Mode: streaming\\r\\nTransfer-Encoding: chunked\\r\\n"

def stream(s, id, more=b""):
    s.sendall(b"POST " + BASE + id + b"/response HTTP/1.1\\r\\nHost: x\\r\\n" + STREAM + more + b"\\r\\n")

def honest():
    s = sock()
    while True:
        id = take(s)
        if EVENT.get("attack"):
            exec(EVENT["attack"], globals() | {"s": s, "id": id})
        else:
            post(s, id, b"42")

honest()
"""
WELL: set[str | None] = {None}
GONE: set[str | None] = {"Runtime.ExitError", "Sandbox.Timedout"}
BROKEN: set[str | None] = {"Runtime.TruncatedResponse", "Runtime.ExitError", "Sandbox.Timedout"}
ATTACKS: dict[str, tuple[str, set[str | None]]] = {
    "speaks noise": ("n = sock(); n.sendall(os.urandom(99_999)); n.close(); post(s, id, b'42')", WELL),
    "asks paths of all kinds": (
        "for path in (b'/', b'/%', b'/%ff', b'/2018-06-01/runtime/invocation/%0d%0a/response', b'/../..', b'*', b'/\\xff'):\n"
        "  for method in (b'GET', b'POST', b'PUT', b'X'):\n"
        "    n = sock(); n.sendall(method + b' ' + path + b' HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 0\\r\\n\\r\\n')\n"
        "    assert read(n)[0][9:10] == b'4', (method, path); n.close()\n"
        "post(s, id, b'42')",
        WELL,
    ),
    "answers twice": ("post(s, id, b'42'); assert post(s, id, b'43') in (b'400', b'403')", WELL),
    "answers twice on two connections": ("n = sock(); post(s, id, b'42'); assert post(n, id, b'43')[:1] == b'4'", WELL),
    "answers what it was not asked": ("assert post(s, b'x' * 36, b'43') == b'400'; post(s, id, b'42')", WELL),
    "answers and fails": ("post(s, id, b'42'); post(s, id, b'{}', b'', b'/error')", WELL),
    "posts seven megabytes": ("assert post(s, id, bytes(7 << 20)) == b'413'", {"Function.ResponseSizeTooLarge"}),
    "says it is longer than it is": (
        "s.sendall(b'POST ' + BASE + id + b'/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9999999\\r\\n\\r\\n42'); s.close(); os._exit(1)",
        BROKEN,
    ),
    "says it is shorter than it is": (
        "s.sendall(b'POST ' + BASE + id + b'/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n42 and more'); time.sleep(60)",
        {None, "Sandbox.Timedout", "Runtime.ExitError"},
    ),
    "says two lengths": (
        "s.sendall(b'POST ' + BASE + id + b'/response HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\nContent-Length: 3\\r\\n\\r\\n42'); time.sleep(60)",
        GONE,
    ),
    "streams for ever": (
        "stream(s, id)\ntry:\n  while True: s.sendall(b'10000\\r\\n' + bytes(1 << 16) + b'\\r\\n')\nexcept OSError: os._exit(1)",
        {"Function.ResponseSizeTooLarge", "Sandbox.Timedout", "Runtime.ExitError"},
    ),
    "never sends its last chunk": ("stream(s, id); s.sendall(b'2\\r\\n42\\r\\n'); time.sleep(60)", {"Sandbox.Timedout"}),
    "ends in the middle of a chunk": ("stream(s, id); s.sendall(b'ff\\r\\n42'); s.close(); honest()", BROKEN),
    "streams by bytes": (
        "stream(s, id); [s.sendall(b'1\\r\\n4\\r\\n') for n in range(20_000)]; s.sendall(b'0\\r\\n\\r\\n'); read(s)", {None}
    ),
    "lies in its trailers": (
        "stream(s, id, b'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\\r\\n'); "
        "s.sendall(b'2\\r\\n42\\r\\n0\\r\\nLambda-Runtime-Function-Error-Type: X\\xff\\r\\n"
        "Lambda-Runtime-Function-Error-Body: \\xff\\xfe%%%\\r\\n\\r\\n'); assert read(s)[0][9:12] == b'202'",
        {"Function.Unknown", ""},
    ),
    "takes another mode": ("assert post(s, id, b'42', b'Lambda-Runtime-Function-Response-Mode: \\xff\\r\\n') == b'400'",
                           {"Runtime.InvalidResponseModeHeader", "Runtime.InvalidFunctionResponseMode", ""}),
    "fails with strange names": (
        "post(s, id, b'\\xff{', b'Lambda-Runtime-Function-Error-Type: ' + b'\\xff' * 9999 + b'\\r\\n', b'/error')", {""}
    ),
    "opens all the connections there are": (
        "held = [sock() for n in range(200)]; [h.sendall(b'POST / HTTP/1.1\\r\\n') for h in held[:20]]; "
        "[h.close() for h in held]; post(s, id, b'42')",
        {None, *GONE},
    ),
    "asks for events on many connections": (
        "held = [sock() for n in range(9)]; [h.sendall(b'GET ' + BASE + b'next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') for h in held]; "
        "post(s, id, b'42'); [h.close() for h in held]",
        {None, *GONE},
    ),
    "says at the end that it never began": (
        "n = sock(); n.sendall(b'POST /2018-06-01/runtime/init/error HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}'); "
        "assert read(n)[0][9:12] == b'403'; post(s, id, b'42')",
        WELL,
    ),
    "kills whatever it can": ("os.kill(-1, 9)", GONE),
    "kills its supervisor": (
        "[os.kill(1, n) for n in (1, 2, 3, 6, 9, 11, 13, 15, 19, 31)]; os.kill(0, 0); post(s, id, b'42')", WELL
    ),
    "reads and writes its supervisor": (
        "for path in ('mem', 'fd/3', 'fd/5', 'environ', 'fd'):\n"
        "  try: open('/proc/1/' + path, 'r+b').close(); raise SystemExit(path)\n"
        "  except OSError: pass\n"
        "post(s, id, b'42')",
        WELL,
    ),
    "writes to every descriptor": (
        "for fd in range(1024):\n  if fd != s.fileno():\n    try: os.write(fd, os.urandom(999))\n    except OSError: pass\n"
        "post(s, id, b'42')",
        WELL,
    ),
    "passes descriptors": (
        "for fd in range(1024):\n  try: socket.send_fds(socket.socket(fileno=os.dup(fd)), [b'x'], [0] * 200)\n"
        "  except OSError: pass\n"
        "n = sock(); take; post(n, id, b'42')",
        {None, *GONE},
    ),
    "leaves children": (
        "for n in range(30):\n  if os.fork() == 0: os.setsid(); time.sleep(99)\npost(s, id, b'42'); os._exit(0)", {None, *GONE}
    ),
}  # fmt: skip
# The next event, too, may be handed to a connection that is closed only then: one more call that is its own loss.
LINGERING = {"asks for events on many connections"}


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("runtimes") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def aws(bulb: Running) -> Any:
    return bulb.client("lambda")


@pytest.fixture(scope="module")
def neighbour(aws: Any) -> Neighbour:
    return Neighbour(aws)


class Custom(Function):
    """A function with the bootstrap above."""

    def __init__(self, aws: Any, name: str, **settings: Any) -> None:
        self.aws, self.name = aws, name
        create(aws, name, packed(("bootstrap", BOOTSTRAP, 0o755)), MemorySize=512, Timeout=4, **settings)

    def assert_works(self) -> None:
        assert self.call({}).document == 42


@pytest.fixture(scope="module")
def liar(aws: Any) -> Custom:
    return Custom(aws, "liar")


@pytest.fixture(autouse=True)
def everybody_else_is_fine(neighbour: Neighbour, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    neighbour.assert_undisturbed()
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("what", ATTACKS)
def test_a_bootstrap_that_lies_is_its_own_loss(liar: Custom, what: str) -> None:
    attack, endings = ATTACKS[what]
    payload, response = attacked(liar, attack)
    found = response.get("FunctionError")
    assert (None if found is None else kind_of(payload)) in endings, payload[:300]
    if what in LINGERING:
        liar.call({})
    liar.assert_works()
    liar.assert_works()


def attacked(function: Function, attack: str) -> tuple[bytes, dict[str, Any]]:
    response = function.aws.invoke(FunctionName=function.name, Payload=json.dumps({"attack": attack}))
    return response["Payload"].read(), response


def kind_of(payload: bytes) -> str:
    """The error's type; nothing for an error whose document does not say one."""
    try:
        document = json.loads(payload)
    except ValueError:
        return ""
    return str(document.get("errorType", "")) if isinstance(document, dict) else ""


WRAPPERS = {
    "runs itself": ('exec "$0" "$@"', {"Sandbox.Timedout", "Runtime.ExitError"}),
    "loops": ("while :; do :; done", {"Sandbox.Timedout"}),
    "is a fork bomb": ("b() { b | b & }; b; wait", {"Sandbox.Timedout", "Runtime.ExitError"}),
    "ends well": ("exit 0", {"Runtime.ExitError"}),
    "runs another program": ("exec /bin/true", {"Runtime.ExitError"}),
    "closes everything": ('exec "$@" 0<&- 1>&- 2>&- 3>&- 4>&- 5>&-', {None, "Runtime.ExitError", "Sandbox.Timedout"}),
    "runs it twice": ('"$@" & exec "$@"', {None, "Runtime.ExitError", "Sandbox.Timedout"}),
}


def test_wrappers(aws: Any) -> None:
    """All at once, because an init that never ends is given its ten seconds."""
    variables = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}}
    for number, (script, _) in enumerate(WRAPPERS.values()):
        package = packed(("wrap", f"#!/bin/bash\n{script}\n", 0o755), ("app.py", OBEDIENT, 0o644))
        create(aws, f"wrapped-{number}", package, Runtime=functions.PYTHON, Handler="app.handler", Timeout=6,
               MemorySize=512, Environment=variables)  # fmt: skip
    with ThreadPoolExecutor(len(WRAPPERS)) as pool:
        found = list(
            pool.map(lambda n: functions.invoke(aws, f"wrapped-{n}", {"do": "answer = 42"}), range(len(WRAPPERS)))
        )
    for number, ((document, response), (what, (_, endings))) in enumerate(zip(found, WRAPPERS.items(), strict=True)):
        failed = "FunctionError" in response
        assert (document["errorType"] if failed else None) in endings, (what, document)
        aws.update_function_configuration(FunctionName=f"wrapped-{number}", Environment={"Variables": {}})
        aws.get_waiter("function_updated_v2").wait(FunctionName=f"wrapped-{number}", WaiterConfig={"Delay": 0.05})
        assert functions.invoke(aws, f"wrapped-{number}", {"do": "answer = 42"})[0] == 42
