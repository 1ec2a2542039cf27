"""Hostile functions in Node.js."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.hostile import Ending, Function, Neighbour, exit_error, server, timed_out
from tests.support import functions
from tests.support.bulb import Running

BRIEF_S = 5
OBEDIENT = """
let count = 0;
exports.handler = async (event, context) => {
  count += 1;
  return await new (Object.getPrototypeOf(async () => {}).constructor)('context', 'count', 'require', event.do)(
    context, count, require);
};
"""


def runtime() -> str:
    """The runtime this machine's Node.js is; a skip where there is none."""
    if (node := shutil.which("node")) is None:
        pytest.skip("no Node.js on this machine")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = version.strip().lstrip("v").partition(".")[0]
    if major not in ("20", "22", "24"):
        pytest.skip(f"Node.js {major} runs none of the runtimes")
    return f"nodejs{major}.x"


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("nodejs") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


@pytest.fixture(scope="module")
def node(bulb: Running) -> Function:
    # A fresh process compiles for a while.
    node = Function(bulb.client("lambda"), "node", OBEDIENT, Runtime=runtime(), Timeout=BRIEF_S, MemorySize=1024)
    functions.only_one(node.aws, node.name)
    return node


@pytest.fixture(scope="module")
def hoarder(bulb: Running) -> Function:
    return Function(bulb.client("lambda"), "hoarder", OBEDIENT, Runtime=runtime(), Timeout=20, MemorySize=256)


@pytest.fixture(autouse=True)
def everybody_else_is_fine(node: Function, neighbour: Neighbour) -> Iterator[None]:
    yield
    assert node.run("return 6 * 7").document == 42
    neighbour.assert_undisturbed()


def restarted(node: Function) -> bool:
    """The last attack ended the process: this is another's first invocation."""
    return bool(node.run("return count").document == 1)


@pytest.mark.parametrize(
    ("attack", "how"),
    [
        ("process.exit(0)", "Runtime exited without providing a reason"),
        ("process.exit(9)", "Runtime exited with error: exit status 9"),
        ("process.reallyExit(3)", "Runtime exited with error: exit status 3"),
        ("require('fs').closeSync(3); process.exit(4)", "Runtime exited with error: exit status 4"),
    ],
)
def test_an_exit_is_reported_as_it_was(node: Function, attack: str, how: str) -> None:
    exit_error(node.run(attack), how)
    assert restarted(node)


def test_an_infinite_loop_times_out(node: Function) -> None:
    node.run("require('fs').writeFileSync('/tmp/kept', 'here')")
    timed_out(node.run("for (;;);"), BRIEF_S)
    ending = node.run("return [count, require('fs').readFileSync('/tmp/kept', 'utf8')]")
    assert ending.document == [1, "here"]


def test_never_answering(node: Function) -> None:
    timed_out(node.run("setInterval(() => {}, 1000); await new Promise(() => {})"), BRIEF_S)
    ending = node.run("await new Promise(() => {})")
    assert ending.failed or ending.document is None  # nothing is left that could ever answer


@pytest.mark.parametrize(
    "attack",
    [
        "const hoard = []; for (;;) hoard.push(Buffer.alloc(1 << 20, 1))",
        "Buffer.alloc(900 << 20, 1)",
    ],
)
def test_a_memory_bomb_outside_the_heap(hoarder: Function, attack: str) -> None:
    hoarder.run("return 1")
    ending = hoarder.run(attack)
    exit_error(ending, "Runtime exited with error: signal: killed")
    assert "\tMax Memory Used: 256 MB\t" in ending.report
    assert restarted(hoarder)


def test_a_memory_bomb_in_the_heap(node: Function) -> None:
    ending = node.run("const hoard = []; for (;;) hoard.push(new Array(100000).fill(1.5))")
    # V8 gives up by itself when its heap's limit comes first, and aborts; the kernel's end is a kill.
    assert ending.failed
    assert ending.document["errorType"] in ("Runtime.ExitError", "Sandbox.Timedout")
    assert restarted(node)


def test_an_unhandled_rejection(node: Function) -> None:
    ending = node.run("Promise.reject(new TypeError('nobody listens')); await new Promise(r => setTimeout(r, 60_000))")
    assert ending.failed
    assert ending.document["errorType"] == "Runtime.UnhandledPromiseRejection"
    assert "nobody listens" in ending.document["errorMessage"]
    assert restarted(node)


def test_an_exception_nobody_awaits(node: Function) -> None:
    ending = node.run(
        "setTimeout(() => { throw new RangeError('later') }, 0); await new Promise(r => setTimeout(r, 60_000))"
    )
    assert ending.failed
    assert (ending.document["errorType"], ending.document["errorMessage"]) == ("RangeError", "later")
    assert restarted(node)


def test_endless_recursion_is_only_an_error(node: Function) -> None:
    ending = node.run("const f = () => f() + 1; f()")
    assert ending.document["errorType"] == "RangeError"
    assert not restarted(node)


def test_children_do_not_outlive_the_environment(node: Function) -> None:
    assert node.run("""
        const child = require('child_process').spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
        child.unref();
        return child.pid > 0;
    """).document
    exit_error(node.run("process.exit(1)"), "Runtime exited with error: exit status 1")
    seen = node.run("return require('fs').readdirSync('/proc').filter(name => /^\\d+$/.test(name)).length").document
    assert seen == 1


def test_the_host_is_as_far_away(bulb: Running, node: Function) -> None:
    ending: Ending = node.run("""
        const fs = require('fs');
        const tried = [() => fs.writeFileSync('/var/task/x', ''), () => fs.readFileSync('/etc/shadow'),
                       () => process.setuid(0), () => process.kill(99999, 9)];
        return tried.map(attempt => { try { attempt(); return 'done' } catch (error) { return error.code } });
    """)
    # In a user namespace the kernel says that there is nobody else to become.
    nobody_else = "EPERM" if bulb.isolation == "full" else "EINVAL"
    assert ending.document == ["EROFS", "ENOENT", nobody_else, "ESRCH"]
    environment = node.run("return Object.keys(process.env)").document
    assert not [name for name in environment if name.startswith(("BULB", "PYTEST", "VIRTUAL_ENV"))]


def test_a_response_of_ten_megabytes(node: Function) -> None:
    ending = node.run("return 'x'.repeat(10_000_000)")
    assert ending.document["errorType"] == "Function.ResponseSizeTooLarge"
    assert ending.failed
