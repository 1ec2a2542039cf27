"""Hostile extensions: silent, dying, loud, or lying to the APIs they speak. Their function pays, nobody else."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hostile import OBEDIENT, Ending, Function, Neighbour, server
from tests.support.bulb import Running
from tests.support.layers import layer_of, publish
from tests.support.waiting import until

# What every attack below begins with.
START = '''
#!/usr/bin/env python3
import http.client, http.server, json, os, signal, socket, sys, threading, time

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(HOST, int(PORT))
    named = {"Lambda-Extension-" + key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, named)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()

def register(name=os.path.basename(sys.argv[0]), events=("INVOKE", "SHUTDOWN")):
    return call("POST", "/2020-01-01/extension/register", {"events": list(events)}, Name=name)[1].get(
        "lambda-extension-identifier", "")

def following(identifier):
    return json.loads(call("GET", "/2020-01-01/extension/event/next", Identifier=identifier)[2])

def subscribe(identifier, uri="http://sandbox.localdomain:8080", **more):
    return call("PUT", "/2022-07-01/telemetry", {
        "schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
        "buffering": {"timeoutMs": 25}, "destination": {"protocol": "HTTP", "URI": uri}, **more,
    }, Identifier=identifier)

def listen(answer, port=8080):
    """Answers each connection with some bytes, whatever it says."""
    def serve():
        server = socket.create_server(("0.0.0.0", port))
        while True:
            connection, _ = server.accept()
            threading.Thread(target=lambda: (connection.recv(65536), answer(connection)), daemon=True).start()
    threading.Thread(target=serve, daemon=True).start()

def serve_events(identifier):
    while following(identifier)["eventType"] == "INVOKE":
        pass
'''
LISTEN = "me = register(); listen(lambda c: ({answer}, c.close())); subscribe(me); serve_events(me)"
RAW = (
    "s = socket.create_connection((HOST, int(PORT))); "
    "s.sendall(b'{method} {path} HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n"
    "Lambda-Extension-Name: hostile\\r\\nLambda-Extension-Identifier: ' + me.encode() + b'\\r\\n\\r\\n'); "
    "[s.sendall(b'100000\\r\\n' + bytes(1 << 20) + b'\\r\\n') for n in range({megabytes})]; "
    "s.sendall(b'0\\r\\n\\r\\n'); s.recv(999)"
)
BYSTANDER = "serve_events(register())"

# What it does, and how an invocation may end: None is well.
ATTACKS: dict[str, tuple[str, set[str | None]]] = {
    "exits at once": ("sys.exit(0)", {"Extension.Crash"}),
    "exits after it registered": ("register(); sys.exit(1)", {"Extension.Crash"}),
    "exits in an invocation": ("following(register()); os._exit(7)", {"Extension.Crash", None}),
    "kills everything it can": ("me = register(); os.kill(-1, 9)", {"Extension.Crash", "Runtime.ExitError"}),
    "registers twice": ("me = register(); register(); serve_events(me)", {None}),
    "registers eleven names": (
        "me = register(); all_ = [register(f'n{n}') for n in range(11)]; "
        "[threading.Thread(target=serve_events, args=(one,)).start() for one in [me, *all_] if one]",
        {None},
    ),
    "is not a program": ("\0", {"Extension.Crash", "Extension.LaunchError"}),
    "answers telemetry with 500": (LISTEN.format(answer="c.sendall(b'HTTP/1.1 500 no\\r\\n\\r\\n')"), {None}),
    "answers telemetry with half a line": (LISTEN.format(answer="c.sendall(b'HTTP/1.1\\r\\n\\r\\n')"), {None}),
    "answers telemetry with noise": (LISTEN.format(answer="c.sendall(os.urandom(200_000))"), {None}),
    "answers telemetry with an endless line": (LISTEN.format(answer="c.sendall(b'9' * 900_000)"), {None}),
    "hangs up on telemetry": (LISTEN.format(answer="c"), {None}),
    "never answers telemetry": (LISTEN.format(answer="time.sleep(60)"), {None}),
    "listens to nothing": ("me = register(); subscribe(me); serve_events(me)", {None}),
    "floods its own telemetry": (
        "me = register(); listen(lambda c: time.sleep(9)); subscribe(me); "
        "[print('x' * 900) for n in range(40_000)]; serve_events(me)",
        {None, "Sandbox.Timedout"},
    ),
    "subscribes to the endpoint of AWS": (
        "me = register(); subscribe(me, 'http://sandbox.localdomain:4566/'); serve_events(me)", {None}
    ),
    "subscribes to the API itself": (
        "me = register(); assert subscribe(me, 'http://sandbox:9001')[0] == 400; serve_events(me)", {None}
    ),
    "subscribes to anybody": (
        "me = register(); assert subscribe(me, 'http://169.254.169.254/')[0] == 400; "
        "assert subscribe(me, 'http://sandbox:8080/ HTTP/1.1%0d%0aX: y')[0] == 400; "
        "assert subscribe(me, destination={'protocol': 'HTTP', 'URI': 'http://sandbox:1', 'method': []})[0] == 400; "
        "assert subscribe(me, types=[{}])[0] == 400; assert subscribe(me, schemaVersion=[])[0] == 400; "
        "assert subscribe(me, buffering={'maxItems': 1e99})[0] == 400; serve_events(me)",
        {None},
    ),
    "registers with noise": (
        "for body in (b'', b'[]', b'{', b'null', b'[' * 9999, b'{\"events\": [{}]}', b'{\"events\": {\"a\": 1}}'): "
        "assert call('POST', '/2020-01-01/extension/register', body, Name='x' * 999)[0] in (200, 403)\n"
        "serve_events(register())",
        {None},
    ),
    "dies in its shutdown": ("following(register()); os.kill(os.getpid(), 11)", {"Extension.Crash", None}),
    "stays in its shutdown": ("serve_events(register()); signal.signal(15, signal.SIG_IGN); time.sleep(60)", {None}),
    "forks away": (
        "me = register()\nif os.fork() == 0:\n  os.setsid()\n  [os.fork() for n in range(5)]\n  time.sleep(99)\n"
        "serve_events(me)",
        {None},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("extensions") / "data") as running:
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


def beset(aws: Any, name: str, *attacks: str, **settings: Any) -> Function:
    """A function with so many hostile extensions."""
    programs = {f"hostile{number or ''}": START + attack + "\n" for number, attack in enumerate(attacks)}
    layer = publish(aws, name, layer_of(**programs))
    return Function(aws, name, OBEDIENT, Layers=[layer], **{"Timeout": 10, "MemorySize": 1024, **settings})


def kind(ending: Ending) -> str | None:
    return ending.document["errorType"] if ending.failed else None


def freed(function: Function) -> None:
    """Without its extensions the function works."""
    function.aws.update_function_configuration(FunctionName=function.name, Layers=[], Timeout=15)
    function.aws.get_waiter("function_updated_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 0.05})
    function.assert_works()


@pytest.mark.parametrize("what", ATTACKS)
def test_its_function_pays_and_nobody_else(aws: Any, what: str) -> None:
    attack, endings = ATTACKS[what]
    function = beset(aws, f"ext-{'-'.join(what.split())}", attack)
    for _ in range(2):
        ending = function.run("print('a line', '{' * 3); answer = 6 * 7")
        assert kind(ending) in endings, ending.document
        assert kind(ending) is not None or ending.document == 42
    freed(function)


def test_silence(aws: Any) -> None:
    """An init that never ends costs its function its time, whoever is silent."""
    often = """
me = register()
threading.Thread(target=serve_events, args=(me,)).start()
for _ in range(9):
    call("GET", "/2020-01-01/extension/event/next", Identifier=me)
time.sleep(60)
"""
    attacks = {"never-registers": "time.sleep(60)", "never-asks": "register(); time.sleep(60)", "asks-often": often}
    silent = [beset(aws, name, attack, Timeout=2) for name, attack in attacks.items()]
    with ThreadPoolExecutor(len(silent)) as pool:
        endings = list(pool.map(lambda function: kind(function.run("answer = 1")), silent))
    assert endings[:2] == ["Sandbox.Timedout", "Sandbox.Timedout"]
    assert endings[2] in (None, "Sandbox.Timedout", "Extension.Crash")
    for function in silent:
        freed(function)


def test_a_body_without_end_is_not_kept(bulb: Running, aws: Any) -> None:
    """The server, which is this process, does not hold what it is sent."""
    for place in (("POST", "/2020-01-01/extension/register"), ("PUT", "/2022-07-01/telemetry")):
        attack = RAW.format(method=place[0], path=place[1], megabytes=300)
        function = beset(aws, f"endless-{place[0].lower()}", f"me = register(); {attack}; serve_events(me)", Timeout=30)
        Path("/proc/self/clear_refs").write_text("5")
        before = memory("VmHWM")
        assert kind(function.run("answer = 1")) is None
        assert memory("VmHWM") - before < 100 << 20, place
        freed(function)


def memory(what: str) -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) << 10


def test_a_hundred_lines_no_encoder_can_write(aws: Any) -> None:
    """Lines of the function that are JSON only for those who read them leniently reach the subscriber as text."""
    got = "me = register(); seen = []\nclass L(http.server.BaseHTTPRequestHandler):\n  def do_POST(self):\n" + (
        "    events = json.loads(self.rfile.read(int(self.headers['content-length'])))\n"
        "    seen.extend(e['record'] for e in events if e['type'] == 'function')\n"
        "    self.send_response(200); self.end_headers()\n"
        "  def log_message(self, *_): pass\n"
        "threading.Thread(target=http.server.HTTPServer(('', 8080), L).serve_forever, daemon=True).start()\n"
        "subscribe(me)\nfollowing(me)\n"
        "while len(seen) < 3: time.sleep(0.01)\n"
        "open('/tmp/seen', 'w').write(json.dumps([str(s)[:40] for s in seen])); serve_events(me)\n"
    )
    function = beset(aws, "deep-lines", got, LoggingConfig={"LogFormat": "JSON"})
    deep = '{"a":' * 600 + "1" + "}" * 600
    assert kind(function.run(f"sys.stdout.write({deep!r} + chr(10) + '{{' + chr(10)); print('x'); answer = 1")) is None
    seen = until(lambda: function.answer("answer = os.path.exists('/tmp/seen') and open('/tmp/seen').read()"), "lines")
    assert json.loads(seen)[0].startswith('{"a":{"a":')
    freed(function)
