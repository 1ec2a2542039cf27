"""Java functions through the whole server, compiled here with whatever development kit the machine has.

The interfaces are those of aws-lambda-java-core, written down anew for the tests: a function packs its own copy.
"""

import functools
import io
import json
import subprocess
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.bulb import Running
from tests.support.functions import ROLE, invoke, invoke_again, only_one
from tests.support.waiting import until

CORE = Path(__file__).parents[1] / "support" / "java"
ORDERS = """
    package example;

    import com.amazonaws.services.lambda.runtime.Context;
    import com.amazonaws.services.lambda.runtime.RequestHandler;
    import java.util.List;
    import java.util.Map;

    public class Orders implements RequestHandler<Orders.Order, Orders.Receipt> {
        private static int calls = 0;

        public static class Line {
            private String sku;
            private int count;
            public String getSku() { return sku; }
            public void setSku(String sku) { this.sku = sku; }
            public int getCount() { return count; }
            public void setCount(int count) { this.count = count; }
        }

        public static class Order {
            private List<Line> lines;
            private Map<String, Double> prices;
            public void setLines(List<Line> lines) { this.lines = lines; }
            public void setPrices(Map<String, Double> prices) { this.prices = prices; }
        }

        public static class Receipt {
            private final String id;
            private final double total;
            private final List<Line> lines;
            private final int calls;
            Receipt(String id, double total, List<Line> lines, int calls) {
                this.id = id;
                this.total = total;
                this.lines = lines;
                this.calls = calls;
            }
            public String getId() { return id; }
            public double getTotal() { return total; }
            public List<Line> getLines() { return lines; }
            public int getCalls() { return calls; }
        }

        public Receipt handleRequest(Order order, Context context) {
            context.getLogger().log("one\\ntwo");
            double total = 0;
            for (Line line : order.lines) {
                total += line.getCount() * order.prices.get(line.getSku());
            }
            return new Receipt(context.getAwsRequestId(), total, order.lines, ++calls);
        }

        public static String shout(String text, Context context) { return text.toUpperCase(); }

        public Map<String, Object> told(Map<String, Object> event, Context context) {
            return Map.of(
                "event", event, "name", context.getFunctionName(), "version", context.getFunctionVersion(),
                "arn", context.getInvokedFunctionArn(), "memory", context.getMemoryLimitInMB(),
                "left", context.getRemainingTimeInMillis() > 1000,
                "trace", System.getProperty("com.amazonaws.xray.traceHeader", "none"),
                "environment", System.getenv("AWS_EXECUTION_ENV"),
                "heap", Runtime.getRuntime().maxMemory() >> 20);
        }

        public int fail(int code) { throw new IllegalStateException("code " + code, new RuntimeException("inner")); }

        public void leave(Object event) { System.exit(3); }

        public void greedy(Object event) {
            List<byte[]> held = new java.util.ArrayList<>();
            while (true) { held.add(new byte[1 << 20]); }
        }
    }
    """
STREAMS = """
    package example;

    import com.amazonaws.services.lambda.runtime.Context;
    import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
    import java.io.IOException;
    import java.io.InputStream;
    import java.io.OutputStream;

    public class Streams implements RequestStreamHandler {
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            output.write("{ \\"raw\\":  ".getBytes());
            input.transferTo(output);
            output.write("}".getBytes());
        }
    }
    """


@pytest.fixture(scope="module")
def kit(bulb: Running) -> dict[str, str]:
    """The first Java runtime that runs here: its name and its compiler."""
    import http.client
    from urllib.parse import urlsplit

    place = urlsplit(bulb.url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
    connection.request("GET", "/_bulb/status")
    runtimes = json.loads(connection.getresponse().read())["runtimes"]
    found = [each for each in runtimes if each["name"].startswith("java") and each["runs"]]
    for each in found:
        compiler = Path(each["detail"].split(" (")[0]).with_name("javac")
        if compiler.exists():
            return {"runtime": each["name"], "compiler": str(compiler)}
    pytest.skip("no Java development kit on this machine")


@pytest.fixture(scope="module")
def package(kit: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """From sources to a jar; or, with `as_zip`, to a zip with the classes at the top and the interfaces in lib/."""

    @functools.cache
    def compiled(*sources: str, as_zip: bool = False) -> bytes:
        place = tmp_path_factory.mktemp("java")
        files = [str(file) for file in CORE.rglob("*.java")]
        for number, source in enumerate(sources):
            name = source.split("public class ")[1].split()[0]
            file = place / str(number) / f"{name}.java"
            file.parent.mkdir()
            file.write_text(textwrap.dedent(source))
            files.append(str(file))
        subprocess.run([kit["compiler"], "-d", str(place / "out"), *files], check=True, timeout=60)
        classes = sorted((place / "out").rglob("*.class"))
        core = [file for file in classes if "amazonaws" in file.parts]
        if not as_zip:
            return _archive(place / "out", classes)
        library = _archive(place / "out", core)
        own = [file for file in classes if file not in core]
        return _archive(place / "out", own, {"lib/core.jar": library})

    return compiled


def _archive(root: Path, files: list[Path], more: dict[str, bytes] | None = None) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        entries = {str(file.relative_to(root)): file.read_bytes() for file in files} | (more or {})
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            target.writestr(entry, content)
    return archive.getvalue()


def create(aws: Any, kit: dict[str, str], name: str, code: bytes, handler: str, **settings: Any) -> None:
    aws.create_function(
        FunctionName=name,
        Runtime=kit["runtime"],
        Role=ROLE,
        Handler=handler,
        Code={"ZipFile": code},
        **{"MemorySize": 512, "Timeout": 20, **settings},
    )
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})


def test_a_request_handler_takes_and_gives_beans(bulb: Running, kit: dict[str, str], package: Any) -> None:
    aws = bulb.client("lambda")
    create(aws, kit, "java-orders", package(ORDERS), "example.Orders")
    only_one(aws, "java-orders")
    order = {"Lines": [{"sku": "a", "count": 2}], "prices": {"a": 1.5}, "unknown": [1, {"x": None}]}
    receipt, response = invoke(aws, "java-orders", order, LogType="Tail")
    request_id = response["ResponseMetadata"]["RequestId"]
    assert receipt == {"id": request_id, "total": 3.0, "lines": [{"sku": "a", "count": 2}], "calls": 1}
    assert invoke_again(aws, "java-orders", order)[0]["calls"] == 2

    def logged() -> list[str]:
        logs = bulb.client("logs")
        return [e["message"] for e in logs.filter_log_events(logGroupName="/aws/lambda/java-orders")["events"]]

    lines = until(lambda: logged() if any("REPORT" in line for line in logged()) else [], "the log")
    assert "one\ntwo\n" in lines


def test_plain_methods_and_the_context(bulb: Running, kit: dict[str, str], package: Any) -> None:
    aws = bulb.client("lambda")
    create(aws, kit, "java-shout", package(ORDERS, as_zip=True), "example.Orders::shout")
    assert invoke(aws, "java-shout", "hey é")[0] == "HEY É"
    create(aws, kit, "java-told", package(ORDERS), "example.Orders::told")
    told, _ = invoke(aws, "java-told", {"a": [1, 2.5, "x", None, True]})
    arn = aws.get_function_configuration(FunctionName="java-told")["FunctionArn"]
    assert told.pop("trace").startswith("Root=1-")
    assert 400 < told.pop("heap") <= 436
    assert told == {
        "event": {"a": [1, 2.5, "x", None, True]}, "name": "java-told", "version": "$LATEST", "arn": arn,
        "memory": 512, "left": True, "environment": f"AWS_Lambda_{kit['runtime']}",
    }  # fmt: skip


def test_a_stream_handlers_bytes_are_the_answer(bulb: Running, kit: dict[str, str], package: Any) -> None:
    aws = bulb.client("lambda")
    create(aws, kit, "java-streams", package(STREAMS), "example.Streams")
    response = aws.invoke(FunctionName="java-streams", Payload=b'{"a": 1}')
    assert response["Payload"].read() == b'{ "raw":  {"a": 1}}'


def test_what_a_handler_throws(bulb: Running, kit: dict[str, str], package: Any) -> None:
    aws = bulb.client("lambda")
    create(aws, kit, "java-fails", package(ORDERS), "example.Orders::fail")
    failure, response = invoke(aws, "java-fails", 7)
    assert response["FunctionError"] == "Unhandled"
    frames = failure.pop("stackTrace")
    assert frames[0].startswith("example.Orders.fail(Orders.java:")
    assert len(frames) == 1
    assert failure.pop("cause")["errorMessage"] == "inner"
    assert failure == {"errorMessage": "code 7", "errorType": "java.lang.IllegalStateException"}
    mismatch, _ = invoke(aws, "java-fails", {"not": "a number"})
    assert (mismatch["errorType"], mismatch["errorMessage"]) == (
        "java.lang.RuntimeException",
        "An error occurred during JSON parsing",
    )


def test_ends_of_the_process(bulb: Running, kit: dict[str, str], package: Any) -> None:
    aws = bulb.client("lambda")
    create(aws, kit, "java-leaves", package(ORDERS), "example.Orders::leave")
    failure, _ = invoke(aws, "java-leaves")
    assert failure["errorType"] == "Runtime.ExitError"
    assert failure["errorMessage"].endswith("Runtime exited with error: exit status 3")
    create(aws, kit, "java-greedy", package(ORDERS), "example.Orders::greedy")
    failure, _ = invoke(aws, "java-greedy")
    assert failure["errorType"] == "java.lang.OutOfMemoryError"


@pytest.mark.parametrize(
    ("handler", "error_type", "text"),
    [
        ("example.Missing", "java.lang.ClassNotFoundException", "Class not found: example.Missing"),
        ("example.Orders::none", "java.lang.NoSuchMethodException", "No public method named none with"),
    ],
)
def test_a_handler_that_is_not_there(
    bulb: Running, kit: dict[str, str], package: Any, handler: str, error_type: str, text: str
) -> None:
    aws = bulb.client("lambda")
    name = f"java-{handler.rpartition('.')[2].replace('::', '-')}"
    create(aws, kit, name, package(ORDERS), handler)
    failure, response = invoke(aws, name)
    assert response["FunctionError"] == "Unhandled"
    assert failure["errorType"] == error_type
    assert failure["errorMessage"].startswith(text)


def test_a_runtime_without_its_interpreter_says_so(bulb: Running) -> None:
    aws = bulb.client("lambda")
    aws.create_function(
        FunctionName="ruby",
        Runtime="ruby3.4",
        Role=ROLE,
        Handler="app.handler",
        Code={"ZipFile": _archive(CORE, [], {"app.rb": b""})},
    )
    with pytest.raises(aws.exceptions.InvalidRuntimeException, match=r"Bulb does not run ruby3\.4 yet"):
        aws.get_waiter("function_active_v2").wait(FunctionName="ruby", WaiterConfig={"Delay": 0.05})
        aws.invoke(FunctionName="ruby")
