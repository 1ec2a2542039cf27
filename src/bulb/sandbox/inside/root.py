"""The root directory of one image: a small tmpfs with read-only windows on the machine.

In it: the machine's programs and libraries (parts of /usr by name, never /usr/local, /usr/src or anything of /home,
/opt, /root, /srv, /var), the language at /var/lang, the runtime client at /var/runtime, an /etc written here, five
devices and empty mount points. It is built once per zygote, in a mount namespace of its own; the zygote makes it
read-only before any child runs.
"""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from . import syscalls

_USR_PARTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec", "share")
_TOP_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_DEVICES = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_EMPTY = ("proc", "tmp", "opt", "var/task", "var/runtime", "var/tmp", "run", "root")
# Read by the C library and by OpenSSL; none of them says anything about this machine's users or networks.
_ETC_COPIED = ("ld.so.cache", "localtime", "services", "protocols", "mime.types", "ssl/openssl.cnf", "os-release")
# Distributions keep parts of their Java kits in the last, where links of the kits lead.
_ETC_WINDOWS = ("ssl/certs", "pki/tls/certs", "pki/ca-trust/extracted", "java-*-openjdk")
_USER, _BASE_ID = "sbx_user1051", 993
HIDDEN = "/.bulb"
MACHINE = "/.machine"
HOSTNAME = "169.254.254.1"
# The second: how extensions are told to name the place their telemetry is sent to.
_LOOPBACK_NAMES = ("localhost localhost.localdomain", "sandbox.localdomain sandbox", HOSTNAME)


class RootPlan:
    """What goes into one root. `uids` are the first and the number of identities its sandboxes use.

    `name_servers` are asked for names that are not in its /etc/hosts.
    """

    def __init__(
        self,
        *,
        language: str,
        runtime: str,
        inside: str,
        interpreter: str,
        uids: tuple[int, int],
        name_servers: tuple[str, ...],
    ) -> None:
        self.language = language
        self.runtime = runtime
        self.inside = inside
        self.interpreter = interpreter
        self.uids = uids
        self.name_servers = name_servers


def build(at: Path, plan: RootPlan) -> None:
    """Build the root at `at`, an empty directory, and leave it mounted there. Needs CAP_SYS_ADMIN."""
    fd = syscalls.new_tmpfs(64 << 20, "755", syscalls.ATTR_NOSUID)
    syscalls.move_mount(fd, at)
    os.close(fd)
    for name in _EMPTY:
        (at / name).mkdir(parents=True)
    (at / "var/tmp").chmod(0o555)
    _programs(at)
    _language(at, plan.language)
    _bind(Path(plan.runtime), at / "var/runtime")
    _devices(at / "dev")
    _etc(at / "etc", plan.uids, plan.name_servers)
    _own_interpreter(at / HIDDEN[1:], plan)


def _programs(at: Path) -> None:
    for part in _USR_PARTS:
        source = Path("/usr") / part
        if source.is_symlink():
            (at / "usr").mkdir(exist_ok=True)
            (at / "usr" / part).symlink_to(source.readlink())
        elif source.is_dir():
            _bind(source, at / "usr" / part)
    for name in _TOP_LINKS:
        source = Path("/") / name
        if source.is_symlink():
            (at / name).symlink_to(source.readlink())
        elif source.is_dir():
            _bind(source, at / name)


def _language(at: Path, language: str) -> None:
    # The machine's own /usr as a language is the /usr that is already there, not the whole of it again.
    if os.path.realpath(language) == "/usr":
        (at / "var/lang").symlink_to("../usr")
    else:
        _bind(Path(language), at / "var/lang")


def _own_interpreter(at: Path, plan: RootPlan) -> None:
    """The zygote's own modules (and, for images that do not fork, its interpreter), unmounted before any child runs."""
    at.mkdir()
    fd = syscalls.new_tmpfs(1 << 20, "755", syscalls.ATTR_NOSUID)
    syscalls.move_mount(fd, at)
    os.close(fd)
    _bind(Path(plan.inside), at / "inside")
    if plan.interpreter and plan.interpreter != "/usr":
        _bind(Path(plan.interpreter), at / "lang")


def _devices(at: Path) -> None:
    at.mkdir()
    for name, minor in _DEVICES.items():
        try:
            os.mknod(at / name, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
            (at / name).chmod(0o666)
        except PermissionError:  # no device nodes in a user namespace: show the machine's own
            (at / name).touch()
            syscalls.bind(f"/dev/{name}", str(at / name), read_only=False)
    for name, target in _DEVICE_LINKS.items():
        (at / name).symlink_to(target)


def _etc(at: Path, uids: tuple[int, int], name_servers: tuple[str, ...]) -> None:
    at.mkdir()
    first, count = uids
    ids = [first + index for index in range(count)]
    _write(at / "passwd", ["root:x:0:0:root:/root:/sbin/nologin"], [f"{_USER}:x:{i}:{i}::/tmp:/bin/sh" for i in ids])
    _write(at / "group", ["root:x:0:"], [f"{_USER}:x:{i}:" for i in ids])
    _write(at / "hosts", [f"127.0.0.1 {names}" for names in _LOOPBACK_NAMES])
    _write(at / "nsswitch.conf", ["passwd: files", "group: files", "hosts: files dns", "services: files"])
    # Without a name server the C library would ask 127.0.0.1, where nobody answers: let it give up soon.
    _write(
        at / "resolv.conf",
        [f"nameserver {address}" for address in name_servers] or ["options timeout:1 attempts:1"],
    )
    _write(at / "hostname", [HOSTNAME])
    for name in _ETC_COPIED:
        source = Path("/etc") / name
        with contextlib.suppress(OSError):
            (at / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, at / name)
    with contextlib.suppress(OSError):
        shutil.copytree("/etc/alternatives", at / "alternatives", symlinks=True)
    for pattern in _ETC_WINDOWS:
        for source in Path("/etc").glob(pattern):
            if source.is_dir():
                _bind(source, at / source.relative_to("/etc"))


def _write(path: Path, *parts: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for part in parts for line in part))


def _bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    syscalls.bind(str(source), str(target))


def default_identity() -> tuple[int, int]:
    """The one identity of sandboxes that cannot have their own: Lambda's `sbx_user1051`."""
    return _BASE_ID, 1
