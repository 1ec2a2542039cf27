"""Hostile functions that look around: for the machine, other processes, other environments, and more rights."""

import io
import os
import socket
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.e2e.hostile import OBEDIENT, Function, Neighbour, server
from tests.support import functions
from tests.support.bulb import Running

SECRET = "the-host-keeps-this-to-itself"


@pytest.fixture(scope="module")
def bulb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    os.environ["HOST_TEST_SECRET"] = SECRET
    try:
        with server(tmp_path_factory.mktemp("reach") / "data") as running:
            yield running
    finally:
        del os.environ["HOST_TEST_SECRET"]


@pytest.fixture(scope="module")
def neighbour(bulb: Running) -> Neighbour:
    return Neighbour(bulb.client("lambda"))


@pytest.fixture(scope="module")
def snoop(bulb: Running) -> Function:
    return Function(bulb.client("lambda"), "snoop")


@pytest.fixture(autouse=True)
def everybody_else_is_fine(snoop: Function, neighbour: Neighbour) -> Iterator[None]:
    yield
    snoop.assert_works()
    neighbour.assert_undisturbed()


def test_the_hosts_files_are_not_there(bulb: Running, snoop: Function, tmp_path: Path) -> None:
    kept = tmp_path / "secret"
    kept.write_text(SECRET)
    kept.chmod(0o644)
    for path in (kept, bulb.data / "bulb.db", Path(__file__), Path("/etc/shadow"), Path("/etc/hostname.host")):
        assert "FileNotFoundError" in snoop.refusal(f"open({str(path)!r})"), path
    top = snoop.answer("answer = os.listdir('/')")
    assert {"home", "srv", "mnt", "media", "boot", "sys", "work"}.isdisjoint(top)
    for folder in ("/root", "/run", "/var/tmp"):
        assert snoop.answer(f"answer = os.listdir({folder!r})") == [], folder


def test_the_hosts_environment_is_not_there(snoop: Function) -> None:
    environment = snoop.answer("answer = dict(os.environ)")
    assert SECRET not in environment.values()
    assert "HOST_TEST_SECRET" not in environment
    # The first process began as a fork of somebody else's: what that one was started with is just as readable.
    for name in ("environ", "cmdline"):
        began_with = snoop.answer(f"answer = open('/proc/1/{name}', 'rb').read().decode('latin-1')")
        assert SECRET not in began_with
        assert os.environ["PATH"] not in began_with
        assert os.environ["HOME"] + "/" not in began_with


def test_only_its_own_processes_are_seen(snoop: Function) -> None:
    assert snoop.answer("answer = [name for name in os.listdir('/proc') if name.isdigit()]") == ["1"]
    assert snoop.answer("answer = [os.getpid(), os.getppid()]") == [1, 0]
    assert "ProcessLookupError" in snoop.refusal(f"os.kill({os.getpid() + 100_000}, 0)")
    assert "ProcessLookupError" in snoop.refusal("os.kill(2, 9)")


def test_the_hosts_loopback_is_out_of_reach(snoop: Function) -> None:
    addresses = ["127.0.0.1", "localhost", "0.0.0.0", "::1"]
    with socket.create_server(("0.0.0.0", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        outcomes = snoop.answer(f"""
            import socket
            answer = []
            for address in {addresses!r}:
                try:
                    socket.create_connection((address, {port}), 0.5).close()
                    answer.append("connected to " + address)
                except OSError as error:
                    pass
        """)
        assert outcomes == []
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_servers_own_port_is_out_of_reach_but_its_service_is_not(bulb: Running, snoop: Function) -> None:
    port = int(bulb.url.rsplit(":", 1)[1])
    assert "Connection refused" in snoop.refusal(f"import socket; socket.create_connection(('127.0.0.1', {port}), 1)")
    listed = snoop.answer("import boto3; answer = boto3.client('lambda').list_functions()['Functions']")
    assert "snoop" in [function["FunctionName"] for function in listed]


def test_another_environment_is_out_of_reach(bulb: Running, snoop: Function) -> None:
    other = Function(bulb.client("lambda"), "other")
    # It listens everywhere, in a thread that lives as long as its process, and says where it can be found.
    addresses = other.answer("""
        import socket, sys
        sys.keep = socket.create_server(("", 7777))
        sys.hidden = socket.socket(socket.AF_UNIX)
        sys.hidden.bind("\\0abstract")
        sys.hidden.listen()
        open("/tmp/diary", "w").write("private")
        own = {line.split()[1] for line in open("/proc/net/fib_trie") if "|--" in line}
        answer = sorted(own)
    """)
    assert "127.0.0.1" in addresses
    reached = snoop.answer(f"""
        import socket
        answer = []
        for address in {addresses!r}:
            with socket.socket() as s:
                s.settimeout(0.3)
                answer += [address] * (s.connect_ex((address, 7777)) == 0)
        with socket.socket(socket.AF_UNIX) as s:
            answer += ["abstract"] * (s.connect_ex("\\0abstract") == 0)
        answer += os.listdir("/tmp")
    """)
    assert reached == []
    uids = {function.answer("answer = os.getuid()") for function in (snoop, other)}
    assert len(uids) == (2 if bulb.isolation == "full" else 1)
    assert other.answer("answer = [count, open('/tmp/diary').read()]") == [3, "private"]


def test_only_tmp_can_be_written(snoop: Function) -> None:
    places = ("/", "/var/task", "/opt", "/var/lang", "/var/runtime", "/usr/bin", "/etc", "/var/tmp", "/root", "/dev")
    for folder in places:
        why = snoop.refusal(f"open({folder + '/x'!r}, 'w')")
        assert "Errno 30" in why or "Errno 13" in why, why
    snoop.answer("open('/tmp/x', 'w').write('x'); os.remove('/tmp/x')")


def test_its_code_cannot_be_deleted_or_changed(snoop: Function) -> None:
    snoop.answer("import shutil; shutil.rmtree('/var/task', ignore_errors=True)")
    for attack in ("os.remove('/var/task/app.py')", "open('/var/task/app.py', 'a')", "os.rename('/var/task', '/tmp/t')",
                   "os.chmod('/var/task/app.py', 0o777)", "os.rmdir('/var/task')"):  # fmt: skip
        why = snoop.refusal(attack)
        assert any(f"Errno {number}" in why for number in (1, 13, 16, 18, 30)), why
    assert "def handler" in snoop.answer("answer = open('/var/task/app.py').read()")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mount", "165, b'none', b'/tmp', b'tmpfs', 0, 0"),
        ("remount /var/task writable", "165, b'none', b'/var/task', b'none', 0x1020, 0"),
        ("umount2", "166, b'/var/task', 2"),
        ("pivot_root", "155, b'/tmp', b'/tmp'"),
        ("chroot", "161, b'/tmp'"),
        ("ptrace", "101, 16, 1, 0, 0"),
        ("process_vm_writev", "311, 1, 0, 0, 0, 0, 0"),
        ("unshare into a user namespace", "272, 0x10000000"),
        ("setns", "308, 0, 0"),
        ("clone into a user namespace", "56, 0x10000011, 0, 0, 0, 0"),
        ("init_module", "175, 0, 0, 0"),
        ("kexec_load", "246, 0, 0, 0, 0"),
        ("reboot", "169, 0xfee1dead, 672274793, 0x1234567, 0"),
        ("bpf", "321, 0, 0, 0"),
        ("keyctl", "250, 0, 0"),
        ("io_uring_setup", "425, 8, 0"),
        ("perf_event_open", "298, 0, 0, -1, -1, 0, 0"),
        ("swapon", "167, b'/tmp/x', 0"),
        ("settimeofday", "164, 0, 0"),
        ("syslog", "103, 3, 0, 0"),
        ("name_to_handle_at", "303, -100, b'/', 0, 0, 0"),
        ("open_by_handle_at", "304, 0, 0, 0"),
    ],
)
def test_a_privileged_call_is_refused(snoop: Function, name: str, arguments: str) -> None:
    result, errno = snoop.answer(
        f"import ctypes; c = ctypes.CDLL(None, use_errno=True); answer = [c.syscall({arguments}), ctypes.get_errno()]"
    )
    assert (result, errno) == (-1, 1), name


def test_it_cannot_become_anybody_else(snoop: Function) -> None:
    for attack in ("os.setuid(0)", "os.setgid(0)", "os.setgroups([0])", "os.setresuid(0, 0, 0)", "os.seteuid(0)"):
        why = snoop.refusal(attack)  # in a user namespace the kernel says that there is nobody else
        assert "Errno 1]" in why or "Errno 22]" in why, attack
    # Neither can a setuid program, were there one it could make or find.
    assert snoop.answer("""
        import shutil, subprocess
        shutil.copy("/usr/bin/id", "/tmp/id")
        os.chmod("/tmp/id", 0o6755)
        answer = int(subprocess.check_output(["/tmp/id", "-u"])) == os.getuid()
        os.remove("/tmp/id")
    """)
    assert "PermissionError" in snoop.refusal("os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))")
    status = dict(line.split(":", 1) for line in snoop.answer("answer = open('/proc/self/status').read()").splitlines())
    assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert (int(status["NoNewPrivs"]), int(status["Seccomp"])) == (1, 2)


def test_limits_cannot_be_raised(snoop: Function) -> None:
    for name in ("NOFILE", "NPROC", "CORE", "MEMLOCK"):
        why = snoop.refusal(f"""
            import resource
            hard = resource.getrlimit(resource.RLIMIT_{name})[1]
            resource.setrlimit(resource.RLIMIT_{name}, (hard + 1, hard + 1))
        """)
        assert "not allowed to raise" in why, why
    assert "PermissionError" in snoop.refusal("os.nice(-5)")
    assert "FileNotFoundError" in snoop.refusal("open('/sys/fs/cgroup/memory/memory.limit_in_bytes', 'w')")
    assert snoop.answer("import resource; answer = resource.getrlimit(resource.RLIMIT_NOFILE)") == [1024, 1024]


def test_proc_gives_no_way_out(bulb: Running, snoop: Function) -> None:
    for path in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sys/vm/drop_caches", "1/oom_score_adj"):
        assert "Errno" in snoop.refusal(f"os.write(os.open('/proc/{path}', os.O_WRONLY), b'-1000')"), path
    assert "Error" in snoop.refusal("open('/proc/kcore', 'rb').read(1) or 1 / 0")
    # The root, working directory and descriptors of the first process are the sandbox's own.
    assert snoop.answer("answer = sorted(os.listdir('/proc/1/root')) == sorted(os.listdir('/'))")
    kinds = snoop.answer("answer = [os.readlink(f'/proc/1/fd/{n}').split(':')[0] for n in range(5)]")
    assert kinds == ["/dev/null", "pipe", "pipe", "socket", "pipe"]
    # Writing to its own memory is its own affair, and ends at its own address space.
    assert "Errno" in snoop.refusal("open('/proc/self/mem', 'wb', 0).write(b'x')")


@pytest.mark.parametrize(
    "links",
    [
        {"out": "/etc/shadow"},
        {"out": "../../../../etc/shadow"},
        {"folder/out": "../../data"},
        # Each of the first two stays inside by its letters; followed one after the other they leave.
        {"a/b/up": "../..", "out": "a/b/up/..", "out/planted": "/tmp/x"},
    ],
)
def test_a_package_whose_links_lead_out_is_refused(bulb: Running, links: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="Could not unzip uploaded file"):
        create_linked(bulb, "links", links)
    assert not [folder for folder, _, names in os.walk(bulb.data) if "planted" in names]


def test_a_packages_links_are_followed_inside_only(bulb: Running) -> None:
    create_linked(bulb, "linked", {"folder/up": "..", "here": "folder/up/..", "tmp": "/tmp/x"})
    found, _ = functions.invoke(bulb.client("lambda"), "linked", {"do": "answer = os.listdir('/var/task/here')"})
    assert set(found) == {"lang", "runtime", "task", "tmp"}


def create_linked(bulb: Running, name: str, links: dict[str, str]) -> None:
    aws = bulb.client("lambda")
    settings = {"Runtime": functions.PYTHON, "Role": functions.ROLE, "Handler": "app.handler"}
    aws.create_function(FunctionName=name, Code={"ZipFile": package(links)}, **settings)
    aws.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05})


def package(links: dict[str, str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        for name, text in {"app.py": OBEDIENT, "a/b/file": "x", "folder/file": "x"}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            package.writestr(entry, text)
        for name, aim in links.items():
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            package.writestr(entry, aim)
    return archive.getvalue()
