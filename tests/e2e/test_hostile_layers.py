"""Hostile archives, as code and as layers: bombs, damaged compressions, and links that lead the server astray."""

import io
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.hostile import OBEDIENT, Function, Neighbour, events_of, server
from tests.support import functions
from tests.support.bulb import Running
from tests.support.waiting import until

# An extension that says its name in the log and waits for events.
EXTENSION = """#!/usr/bin/env python3
import http.client, json, os, sys
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
c = http.client.HTTPConnection(api)
name = os.path.basename(sys.argv[0])
c.request("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE"]}), {"Lambda-Extension-Name": name})
answer = c.getresponse()
answer.read()
print("extension", name, flush=True)
while True:
    c.request("GET", "/2020-01-01/extension/event/next",
              headers={"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]})
    c.getresponse().read()
"""
Content = dict[str, str | bytes | None]


def archive(files: Content, links: dict[str, str] | None = None, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip; a file of None is a folder."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name if content is not None else name + "/")
            entry.external_attr = (0o100755 if content is not None else 0o040755) << 16
            entry.compress_type = compression
            package.writestr(entry, content or "")
        for name, aim in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            package.writestr(entry, aim)
    return made.getvalue()


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with server(tmp_path_factory.mktemp("layers") / "data") as running:
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


def layer(aws: Any, content: bytes, name: str = "layer") -> str:
    arn: str = aws.publish_layer_version(LayerName=name, Content={"ZipFile": content})["LayerVersionArn"]
    return arn


def damaged(compression: int) -> bytes:
    """An archive whose compressed bytes are noise, with a directory that is right."""
    whole = bytearray(archive({"app.py": OBEDIENT * 40}, compression=compression))
    data = 30 + len("app.py") + (9 if compression == zipfile.ZIP_LZMA else 4)
    whole[data : data + 60] = bytes(range(190, 250))
    return bytes(whole)


def with_extra(extra: bytes) -> bytes:
    """An archive whose directory has a damaged extra field."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        entry = zipfile.ZipInfo("app.py")
        entry.extra = extra
        package.writestr(entry, OBEDIENT)
    return made.getvalue()


ARCHIVES = {
    "noise in deflate": damaged(zipfile.ZIP_DEFLATED),
    "noise in bzip2": damaged(zipfile.ZIP_BZIP2),
    "noise in lzma": damaged(zipfile.ZIP_LZMA),
    "a name longer than names may be": archive({"n" * 300: "x"}),
    "a path longer than paths may be": archive({"/".join(["n" * 200] * 25): "x"}),
    "a link longer than links may be": archive({"app.py": "x"}, {"link": "a/" * 2_400 + "b"}),
    "a link whose name is too long": archive({"app.py": "x"}, {"l" * 300: "app.py"}),
    "a link to nothing": archive({"app.py": "x"}, {"link": ""}),
    "a link below a link": archive({"a/file": "x"}, {"b": "a", "b/c": "file"}),
    "a link that is also a folder": archive({"a/file": "x"}, {"a": "b"}),
    "a bad extra field": with_extra(struct.pack("<HH", 1, 4) + b"abcd"),
    "an extra field cut short": with_extra(struct.pack("<HH", 1, 9) + b"a"),
    "a file below a file": archive({"a": "x", "a/b": "x"}),
    "only itself": archive({".": None}),
    "up and away": archive({"../../x": "x"}),
    "windows": archive({"..\\..\\x": "x"}),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_an_archive_that_cannot_be_unpacked_is_refused(bulb: Running, aws: Any, what: str) -> None:
    for attempt in (
        lambda: layer(aws, ARCHIVES[what]),
        lambda: aws.create_function(
            FunctionName="never", Runtime=functions.PYTHON, Handler="app.handler", Role=functions.ROLE,
            Code={"ZipFile": ARCHIVES[what]},
        ),
    ):  # fmt: skip
        try:
            attempt()
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidParameterValueException"
        else:
            assert what in ("a bad extra field", "an extra field cut short", "windows", "only itself"), what
            functions_there = [function["FunctionName"] for function in aws.list_functions()["Functions"]]
            if "never" in functions_there:
                aws.delete_function(FunctionName="never")
    until(lambda: not [*(bulb.data / "code").glob(".*")], "what was begun to be cleared away")


def test_bombs(bulb: Running, aws: Any) -> None:
    zeros = bytes(1 << 20)
    large = archive({f"zero-{n}": zeros for n in range(251)})
    assert len(large) < 400_000
    with pytest.raises(ClientError, match="Unzipped size must be smaller than 262144000 bytes"):
        layer(aws, large)
    liar = bytearray(archive({"zero": bytes(30 << 20)}))
    at = liar.rindex(b"PK\x01\x02") + 24
    assert struct.unpack_from("<L", liar, at)[0] == 30 << 20
    liar[at : at + 4] = struct.pack("<L", 10)
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        layer(aws, bytes(liar))
    with pytest.raises(ClientError, match="Could not unzip"):
        layer(aws, archive({f"d{n}/": None for n in range(200_001)}, compression=zipfile.ZIP_STORED))
    # Each fits, the function with all of them does not.
    some = [layer(aws, archive({f"zero-{n}-{m}": zeros for n in range(84)}), f"some-{m}") for m in range(3)]
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        functions.create(aws, "laden", OBEDIENT, Layers=some)


def test_links_of_two_layers_together_lead_nowhere(bulb: Running, aws: Any) -> None:
    one = layer(aws, archive({"d/e/file": "x", "shared/file": "x"}, {"d/e/up": "../..", "away": "/tmp/"}), "one")
    two = layer(
        aws,
        archive({"away/planted": "mine", "d/e/up2/planted": "mine"}, {"out": "d/e/up/..", "shared": "away"}),
        "two",
    )
    snoop = Function(aws, "two-layers", Layers=[one, two])
    assert set(snoop.answer("answer = os.listdir('/opt/out')")) <= set(snoop.answer("answer = os.listdir('/')"))
    assert snoop.answer("answer = open('/opt/away/planted').read()") == "mine"
    assert not Path("/tmp/planted").exists()
    snoop.assert_works()


@pytest.mark.parametrize(
    "links",
    [
        {"extensions": "/tmp/"},
        {"extensions": "/opt/"},
        {"root": "/tmp/", "extensions": "root/../etc"},
        {"root": "/tmp/", "extensions": "root/../proc"},
        {"a/up": "..", "extensions": "a/up/.."},
        {"extensions": "extensions"},
    ],
)
def test_a_folder_of_extensions_that_is_a_link_shows_nothing_of_the_machine(
    bulb: Running, aws: Any, links: dict[str, str], tmp_path: Path
) -> None:
    name = f"linked-{abs(hash(tuple(links.items())))}"
    outside = Path("/tmp", f"{name}-of-the-machine")
    outside.write_text("")
    try:
        function = Function(aws, name, Layers=[layer(aws, archive({"a/file": "x"}, links))])
        function.assert_works()
    finally:
        outside.unlink()
    assert not [
        line for line in events_of(bulb, name) if "of-the-machine" in line or "passwd" in line or "/opt/ext" in line
    ]


def test_extensions_that_are_links_inside_their_layer_run(bulb: Running, aws: Any) -> None:
    content = archive({"bin/tool": EXTENSION}, {"extensions": "linked", "linked/one": "../bin/tool"})
    function = Function(aws, "inside", Layers=[layer(aws, content)])
    function.assert_works()
    assert "extension one\n" in events_of(bulb, "inside")


def test_a_layer_over_another_ones_extensions(bulb: Running, aws: Any) -> None:
    below = layer(aws, archive({"extensions/kept": EXTENSION, "extensions/gone": EXTENSION}), "below")
    above = layer(aws, archive({"extensions/gone/file": "x", "extensions/readme/": None}), "above")
    function = Function(aws, "over", Layers=[below, above])
    function.assert_works()
    assert [line for line in events_of(bulb, "over") if line.startswith("extension ")] == ["extension kept\n"]
    covered = layer(aws, archive({"extensions": "a file"}), "covered")
    Function(aws, "covered", Layers=[below, covered]).assert_works()
    assert not [line for line in events_of(bulb, "covered") if line.startswith("extension ")]


def test_links_in_code_do_not_make_the_server_read(bulb: Running, aws: Any, tmp_path: Path) -> None:
    # Looking for a word in a function's Python files must end: at a pipe of the machine it never would.
    pipe = Path("/tmp", f"pipe-{os.getpid()}")
    os.mkfifo(pipe)
    try:
        code = archive(
            {"app.py": OBEDIENT}, {"pipe.py": str(pipe), "loop": ".", "tmp": "/tmp/", "zero.py": "tmp/../dev/zero"}
        )
        aws.create_function(
            FunctionName="reads", Runtime=functions.PYTHON, Handler="app.handler", Role=functions.ROLE,
            Code={"ZipFile": code},
        )  # fmt: skip
        aws.get_waiter("function_active_v2").wait(
            FunctionName="reads", WaiterConfig={"Delay": 0.05, "MaxAttempts": 600}
        )
        assert functions.invoke(aws, "reads", {"do": "answer = 1"})[0] == 1
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # whoever waits for the pipe waits no longer
        pipe.unlink()
