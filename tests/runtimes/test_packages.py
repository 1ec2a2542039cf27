"""Unpacking what customers upload: exactly, within bounds, and never outside its folder."""

import asyncio
import hashlib
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from bulb.core.errors import AwsError
from bulb.runtimes.packages import CodeStore

UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


def entry(name: str, mode: int = 0o644 | stat.S_IFREG, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = system
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def archive(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for info, data in entries:
            package.writestr(entry(info) if isinstance(info, str) else info, data)
    return buffer.getvalue()


def unpack(root: Path, data: bytes, limit: int = 1_000_000) -> Path:
    digest = hashlib.sha256(data).hexdigest()
    return asyncio.run(CodeStore(root, size_limit=limit).unpack(data, digest))


def refusal(root: Path, data: bytes, limit: int = 1_000_000) -> str:
    with pytest.raises(AwsError) as caught:
        unpack(root, data, limit)
    assert caught.value.code == "InvalidParameterValueException"
    assert list(root.iterdir()) == []  # nothing half done stays behind
    return caught.value.message


def test_files_folders_modes(tmp_path: Path) -> None:
    data = archive(
        ("app.py", b"code"),
        (entry("bin/run", 0o755 | stat.S_IFREG), b"#!"),
        (entry("private", 0o600 | stat.S_IFREG), b"p"),
        (entry("setuid", 0o4755 | stat.S_IFREG), b"s"),
        (entry("dos.txt", 0, system=0), b"d"),
        (entry("empty/", 0o750 | stat.S_IFDIR), b""),
    )
    package = unpack(tmp_path, data)
    assert package == tmp_path / hashlib.sha256(data).hexdigest()
    modes = {path.relative_to(package).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in package.rglob("*")}
    assert modes == {
        "app.py": 0o644,
        "bin": 0o755,
        "bin/run": 0o755,
        "private": 0o600,
        "setuid": 0o755,
        "dos.txt": 0o644,
        "empty": 0o750,
    }
    assert (package / "app.py").read_bytes() == b"code"
    assert stat.S_IMODE(package.stat().st_mode) == 0o755


def test_from_a_file_and_only_once(tmp_path: Path) -> None:
    data = archive(("a", b"1"))
    (tmp_path / "a.zip").write_bytes(data)
    store = CodeStore(tmp_path / "code")

    async def twice_at_once() -> list[Path]:
        return await asyncio.gather(store.unpack(tmp_path / "a.zip", "d1"), store.unpack(data, "d1"))

    first, second = asyncio.run(twice_at_once())
    assert first == second
    before = (first / "a").stat().st_ino
    (tmp_path / "a.zip").unlink()
    assert asyncio.run(store.unpack(tmp_path / "a.zip", "d1")) == first
    assert (first / "a").stat().st_ino == before
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["d1"]
    asyncio.run(store.remove("d1"))
    assert not first.exists()


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a/../../out", "..", "a\\..\\..\\out"])
def test_names_may_not_lead_out(tmp_path: Path, name: str) -> None:
    root = tmp_path / "code"
    root.mkdir()
    assert refusal(root, archive((name, b"x"))) == UNZIP
    assert [path.name for path in tmp_path.iterdir()] == ["code"]


@pytest.mark.parametrize("aim", ["/etc/passwd", "../out", "a/../../out", "/opt/../etc", ""])
def test_links_may_not_lead_out(tmp_path: Path, aim: str) -> None:
    assert refusal(tmp_path, archive((entry("link", 0o777 | stat.S_IFLNK), aim.encode()))) == UNZIP


def test_links_inside_stay_links(tmp_path: Path) -> None:
    link = 0o777 | stat.S_IFLNK
    package = unpack(
        tmp_path,
        archive(("lib/real", b"r"), (entry("bin/tool", link), b"../lib/real"), (entry("opt", link), b"/opt/lib/x")),
    )
    assert (package / "bin" / "tool").readlink() == Path("../lib/real")
    assert (package / "bin" / "tool").read_bytes() == b"r"
    assert (package / "opt").readlink() == Path("/opt/lib/x")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    link = 0o777 | stat.S_IFLNK
    assert refusal(tmp_path, archive((entry("a", link), b"b"), ("a/inner", b"x"))) == UNZIP


def test_no_link_is_put_behind_links_that_lead_out_together(tmp_path: Path) -> None:
    link = 0o777 | stat.S_IFLNK
    chain = (entry("a/b/up", link), b"../.."), (entry("out", link), b"a/b/up/..")
    assert refusal(tmp_path, archive(("app.py", b""), *chain, (entry("out/planted", link), b"/tmp/x"))) == UNZIP
    assert not [name for _, folders, names in os.walk(tmp_path) for name in (*folders, *names) if name == "planted"]


def test_damaged_archives(tmp_path: Path) -> None:
    good = archive(("a", os.urandom(5000)))
    middle = good[:2000] + bytes(byte ^ 0xFF for byte in good[2000:2100]) + good[2100:]
    for data in (b"", b"not a zip", good[:-10], middle, b"PK\x05\x06" + b"\xff" * 18):
        assert refusal(tmp_path, data) == UNZIP
    assert refusal(tmp_path, archive()) == "Uploaded file must be a non-empty zip"
    assert refusal(tmp_path, archive(("a", b"1"), ("a/b", b"2"))) == UNZIP


def test_too_big_when_unpacked(tmp_path: Path) -> None:
    assert refusal(tmp_path, archive(("a", b"\0" * 1001)), 1000) == "Unzipped size must be smaller than 1000 bytes"
    assert unpack(tmp_path, archive(("a", b"\0" * 1000)), 1000).is_dir()


def test_declared_sizes_are_not_believed(tmp_path: Path) -> None:
    data = archive(("bomb", b"\0" * 3_000_000))
    lying = data.replace((3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != data
    refused = refusal(tmp_path, lying)
    assert refused in (UNZIP, "Unzipped size must be smaller than 1000000 bytes")


def test_the_limit_is_lambdas(tmp_path: Path) -> None:
    assert CodeStore(tmp_path)._size_limit == 262_144_000


def test_layers_merge_and_later_ones_win(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for layer, files in ((first, ["python/a.py", "both", "x"]), (second, ["both", "x/y"]), (third, ["bin/z"])):
        for name in files:
            (layer / name).parent.mkdir(parents=True, exist_ok=True)
            (layer / name).write_text(f"{layer.name} {name}")
    (second / "link").symlink_to("both")
    store = CodeStore(tmp_path / "code")
    merged = asyncio.run(store.merge_layers([first, second, third]))
    assert merged is not None
    content = {path.relative_to(merged).as_posix(): path.read_text() for path in merged.rglob("*") if path.is_file()}
    assert content == {
        "python/a.py": "first python/a.py",
        "both": "second both",
        "link": "second both",
        "x/y": "second x/y",
        "bin/z": "third bin/z",
    }
    assert (merged / "link").is_symlink()
    assert (first / "x").is_file()  # the layers themselves are untouched
    assert (first / "both").read_text() == "first both"
    assert asyncio.run(store.merge_layers([first, second, third])) == merged
    assert asyncio.run(store.merge_layers([second, first])) != merged
    assert asyncio.run(store.merge_layers([first])) == first
    assert asyncio.run(store.merge_layers([])) is None


def test_a_mention_is_found_in_any_python_file_and_nowhere_else(tmp_path: Path) -> None:
    async def mentions(*files: tuple[str, bytes]) -> bool:
        store, data = CodeStore(tmp_path), archive(*files)
        package = await store.unpack(data, hashlib.sha256(data).hexdigest())
        (package / "nowhere.py").symlink_to("/absent")
        return await store.mentions(package, b"boto")

    assert asyncio.run(mentions(("app.py", b"import os"), ("lib/deep/aws.py", b"from botocore import session")))
    assert not asyncio.run(mentions(("app.py", b"import os"), ("boto.txt", b"boto3")))
