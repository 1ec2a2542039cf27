"""Hostile functions that turn on their own runtime: its API, its socket, its log, its streams, its modules."""

import textwrap
from collections.abc import Iterator

import pytest

from tests.e2e.hostile import Ending, Function, Neighbour, events_of, exit_error, server, timed_out
from tests.support.bulb import Running
from tests.support.waiting import until

# Soon over, and enough for a new process on a busy machine.
BRIEF_S = 3
# `call(method, path, body)` asks the Runtime API as any client may; `mine` is the path of the invocation under way.
CLIENT = """
import http.client
def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection("127.0.0.1", 9001, timeout=5)
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return [answer.status, answer.read().decode()]
mine = f"invocation/{context.aws_request_id}/"
"""


class Meddler(Function):
    """Runs its source with `call` and `mine` at hand."""

    def run(self, source: str) -> Ending:
        return self.call({"do": CLIENT + textwrap.dedent(source)})


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("protocol") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


@pytest.fixture(scope="module")
def meddler(bulb: Running) -> Meddler:
    return Meddler(bulb.client("lambda"), "meddler", Timeout=BRIEF_S)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(meddler: Meddler, neighbour: Neighbour) -> Iterator[None]:
    yield
    meddler.assert_works()
    neighbour.assert_undisturbed()


def test_answering_for_itself_and_running_on(meddler: Meddler) -> None:
    # The first answer counts. The second is refused and ends the process, which nobody is given meanwhile.
    ending = meddler.run("call('POST', mine + 'response', '\"first\"'); time.sleep(0.3); answer = 'second'")
    assert (ending.document, ending.failed) == ("first", False)
    for _ in range(3):
        meddler.assert_works()


def test_answering_twice_is_refused(bulb: Running, meddler: Meddler) -> None:
    ending = meddler.run("""
        call("POST", mine + "response", "1")
        print("refused:", call("POST", mine + "response", "2")[1])
    """)
    assert ending.document == 1
    refusal = "State transition from Responded to InvocationResponse failed for runtime"
    until(lambda: [m for m in events_of(bulb, "meddler") if "refused:" in m and refusal in m], "the second's refusal")


def test_reporting_its_own_error(meddler: Meddler) -> None:
    headers = {"Lambda-Runtime-Function-Error-Type": "Function.Mine"}
    ending = meddler.run(f"call('POST', mine + 'error', '{{\"a\":1}}', {headers!r}); time.sleep(0.1)")
    assert (ending.document, ending.failed) == ({"a": 1}, True)
    assert ending.report.endswith("\tStatus: error\tError Type: Function.Mine")


def test_answering_for_somebody_else_is_refused(meddler: Meddler) -> None:
    ids = ["00000000-0000-0000-0000-000000000000", "../../x", "%00", "x" * 5000]
    refusals = meddler.answer(f"answer = [call('POST', 'invocation/' + i + '/response', '1') for i in {ids!r}]")
    assert {status for status, _ in refusals} <= {400, 404}


def test_asking_for_the_next_event_while_it_has_one(meddler: Meddler) -> None:
    timed_out(meddler.run("call('GET', 'invocation/next')"), BRIEF_S)
    timed_out(
        meddler.run("""
            import threading
            for _ in range(2):
                threading.Thread(target=call, args=("GET", "invocation/next"), daemon=True).start()
            time.sleep(60)
        """),
        BRIEF_S,
    )
    # What is sent first is read first: when the second is answered, the first has been seen.
    ending = meddler.run("""
        sys.asking = http.client.HTTPConnection("127.0.0.1", 9001)
        sys.asking.request("GET", "/2018-06-01/runtime/invocation/next")
        for _ in range(2):
            call("GET", "none")
    """)
    exit_error(ending, "Runtime exited with error: exit status 1")


def test_reporting_a_failed_init_afterwards_is_refused(meddler: Meddler) -> None:
    status, text = meddler.answer("answer = call('POST', 'init/error', '{}')")
    assert status == 403
    assert "InvalidStateTransition" in text


@pytest.mark.parametrize(
    "garbage",
    [
        "b'\\0' * 1000",
        "b'GET / HTTP/9.9\\r\\n\\r\\n'",
        "b'POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\\r\\nContent-Length: 99999999999\\r\\n\\r\\n'",
        "b'POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nZZ\\r\\n'",
        "b'GET /' + b'a' * 3_000_000",
        "os.urandom(100_000)",
    ],
)
def test_garbage_for_the_runtime_api(meddler: Meddler, garbage: str) -> None:
    # On its port, where it has no consequence at all.
    source = f"""
        import socket
        for port in (9001, 4566):
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                try:
                    s.sendall({garbage})
                except OSError:
                    pass
        answer = "unharmed"
    """
    assert meddler.answer(source) == "unharmed"
    # On the runtime's own socket, where it costs the function its invocation and nobody else anything.
    ending = meddler.run(f"""
        import socket
        own = socket.socket(fileno=os.dup(3))
        own.settimeout(0.5)
        try:
            own.sendall({garbage})
        except OSError:
            pass
        answer = 1
    """)
    assert ending.failed
    assert ending.document["errorType"] in ("Runtime.ExitError", "Sandbox.Timedout")


def test_descriptors_sent_to_the_server_go_nowhere(meddler: Meddler) -> None:
    ending = meddler.run("""
        import socket
        own = socket.socket(fileno=os.dup(3))
        socket.send_fds(own, [b"GET /ping HTTP/1.1\\r\\n\\r\\n"], [os.open("/dev/null", 0)] * 50)
        answer = 1
    """)
    assert ending.document == 1 or ending.failed


def test_an_answer_that_never_ends(meddler: Meddler) -> None:
    timed_out(
        meddler.run("""
            import socket
            with socket.create_connection(("127.0.0.1", 9001)) as s:
                head = f"POST /2018-06-01/runtime/{mine}response HTTP/1.1\\r\\nHost: x\\r\\n"
                s.sendall(head.encode() + b"Transfer-Encoding: chunked\\r\\n\\r\\n")
                while True:
                    s.sendall(b"10000\\r\\n" + b"x" * 65536 + b"\\r\\n")
        """),
        BRIEF_S,
    )


def test_false_frames_in_the_log(bulb: Running) -> None:
    forger = Function(bulb.client("lambda"), "forger")
    frames = [
        "b'\\xa5\\x5a\\x00\\x03' + (2**32 - 1).to_bytes(4, 'big') + b'\\xff' * 8 + b'endless'",
        "b'\\xa5\\x5a\\x00'",
        "b'\\xa5\\x5a\\x00\\x03' + (0).to_bytes(4, 'big') + (0).to_bytes(8, 'big')",
        "b'\\xa5\\x5a\\x00\\x03' + (5).to_bytes(4, 'big') + (2**63).to_bytes(8, 'big') + b'later'",
        "os.urandom(50_000)",
        "b'REPORT RequestId: forged\\tDuration: 0.00 ms\\tBilled Duration: 0 ms\\t\\n'",
    ]
    reports = []
    for frame in frames:
        ending = forger.run(f"os.write(4, {frame}); answer = 'done'")
        assert ending.document == "done"
        reports.append(ending.report)
        forger.assert_works()
    messages = events_of(bulb, "forger")
    # Every invocation has its own START and REPORT, whatever was written between them.
    assert sum(message.startswith("START RequestId: ") for message in messages) == 2 * len(frames)
    assert [message for message in messages if message.rstrip("\n") in reports] == [f"{report}\n" for report in reports]


@pytest.mark.parametrize(
    "vandalism",
    [
        "sys.stdout.close(); sys.stderr.close()",
        "sys.stdout = sys.stderr = None",
        "sys.stdout = sys.stderr = object()",
        "for name in list(sys.modules): del sys.modules[name]",
        "import builtins; builtins.print = builtins.len = builtins.open = None",
        "import json; json.dumps = json.loads = None",
        "import socket; socket.socket.sendall = socket.socket.recv = None",
        "import logging; logging.shutdown(); logging.getLogger().handlers.clear()",
        "import signal; signal.alarm(1); signal.signal(signal.SIGALRM, signal.SIG_IGN)",
        "sys.path.clear(); os.environ.clear(); os.chdir('/tmp')",
        "import gc; gc.freeze(); gc.disable(); sys.setswitchinterval(1000)",
        "os.dup2(os.open('/dev/null', os.O_RDWR), 4); os.dup2(4, 1); os.dup2(4, 2)",
    ],
)
def test_vandalism_inside_is_its_own_loss(bulb: Running, vandalism: str) -> None:
    # Not every process survives what was done to it; but every invocation ends in time, and the next process is whole.
    vandal = Function(bulb.client("lambda"), f"vandal-{abs(hash(vandalism))}", Timeout=BRIEF_S)
    vandal.run(vandalism + "\nanswer = 1")
    vandal.run("answer = 2")
    vandal.run("os._exit(0)")
    vandal.run("os._exit(0)")
    vandal.assert_works()


def test_a_stream_it_closed_costs_no_answer(meddler: Meddler) -> None:
    assert meddler.answer("sys.stdout.close(); answer = 1") == 1
    assert meddler.answer("sys.stdout = None; answer = 2") == 2
    meddler.run("os._exit(0)")
