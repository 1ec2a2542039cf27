"""From a fork of the zygote to a locked sandbox: the privileged steps of one child, in order.

The order is a chain of needs, see DESIGN.md: limits first (whatever follows is charged and counted), namespaces
before the mounts that only they should see, every mount before the capability to mount is given up, the identity
before the filter that forbids changing it. A step that fails ends the child with a report; nothing ever runs in half
a sandbox.
"""

import fcntl
import gc
import os
import resource
import signal
import socket
from pathlib import Path

from . import syscalls
from .wire import ChildPlan

# Where the descriptors a child keeps end up; the zygote's own lie far above.
API_FD, LOG_FD, SNAPSHOT_FD = 3, 4, 5
_HIGH, _HIGHER = 64, 512

# What of /proc tells about the machine, not about the sandbox. Most of it is closed to other users anyway.
_MASKED = ("kcore", "keys", "key-users", "sysrq-trigger", "timer_list", "cmdline", "config.gz", "modules", "kallsyms")
_READ_ONLY = "/proc/sys"


class Steps:
    """What every child of one zygote does alike, computed once before the first fork."""

    def __init__(self, filter_program: bytes, template_program: bytes, masked: tuple[str, ...]) -> None:
        self.filter_program = filter_program
        self.template_program = template_program
        self.masked = masked


def steps_of(filter_program: bytes, template_program: bytes) -> Steps:
    """Look once at what of /proc there is to mask. Needs a mounted /proc."""
    return Steps(
        filter_program, template_program, tuple(f"/proc/{name}" for name in _MASKED if Path("/proc", name).exists())
    )


def isolate(plan: ChildPlan, steps: Steps) -> list[socket.socket]:
    """Own namespaces, own mounts. The listeners are those made inside when no network was given (rung `userns`)."""
    for tasks in plan.cgroups:
        os.write(tasks, b"0")
    listeners: list[socket.socket] = []
    if plan.network is not None:
        syscalls.setns(plan.network, syscalls.NEWNET)
        syscalls.unshare(syscalls.NEWNS | syscalls.NEWIPC | syscalls.NEWUTS)
    else:
        syscalls.unshare(syscalls.NEWNS | syscalls.NEWIPC | syscalls.NEWUTS | syscalls.NEWNET)
        syscalls.bring_up_loopback()
        listeners = [listen(port) for port in plan.ports]
    _mount(plan, steps)
    return listeners


def listen(port: int) -> socket.socket:
    """A listener on the loopback of the present network namespace."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _mount(plan: ChildPlan, steps: Steps) -> None:
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", "/proc", "proc", flags)
    syscalls.mount(_READ_ONLY, _READ_ONLY, "", syscalls.MS_BIND)
    syscalls.mount("", _READ_ONLY, "", flags | syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY)
    for path in steps.masked:
        syscalls.mount("/dev/null", path, "", syscalls.MS_BIND)
    task, opt = plan.task, plan.opt
    if plan.machine is not None:
        task, opt = (
            _code_of_the_machine(plan.machine, plan.task_path),
            _code_of_the_machine(plan.machine, plan.opt_path),
        )
        syscalls.unmount(plan.machine)
    for fd, target in ((plan.tmp, "/tmp"), (task, "/var/task"), (opt, "/opt")):  # noqa: S108
        if fd is not None:
            syscalls.move_mount(fd, target)


def _code_of_the_machine(machine: str, path: str | None) -> int | None:
    """Without root the server cannot hand over a mount; this child, which still sees the machine, takes it itself."""
    if path is None:
        return None
    fd = syscalls.open_tree(machine + path)
    syscalls.set_mount_attributes(fd, syscalls.ATTR_RDONLY | syscalls.ATTR_NOSUID | syscalls.ATTR_NODEV)
    return fd


def settle_descriptors(plan: ChildPlan, control: int) -> int:
    """stdin stays /dev/null; 1, 2 and 4 are the log, 3 is the API socket. All others close, `control` moves.

    A template keeps 5, the channel that asks for forks of it. The two of a supervisor move, too: what it starts must
    not inherit them.
    """
    kept = LOG_FD
    if plan.snapshot is not None:
        kept = SNAPSHOT_FD
        snapshot = fcntl.fcntl(plan.snapshot, fcntl.F_DUPFD, _HIGH)
    api, log, control = (fcntl.fcntl(fd, fcntl.F_DUPFD, _HIGH) for fd in (plan.api, plan.log, control))
    if plan.snapshot is not None:
        os.dup2(snapshot, SNAPSHOT_FD, inheritable=False)
    connect_streams(api, log)
    last = control
    if plan.supervision is not None and plan.extension_log is not None:
        own = (plan.supervision, plan.extension_log)
        plan.supervision, plan.extension_log = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGHER) for fd in own)
        os.closerange(control + 1, plan.supervision)
        last = plan.extension_log
    os.closerange(kept + 1, control)
    os.closerange(last + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    return control


def connect_streams(api: int, log: int) -> None:
    """Output and the descriptors a runtime expects."""
    for source, target in ((log, 1), (log, 2), (api, API_FD), (log, LOG_FD)):
        os.dup2(source, target)


def lock(plan: ChildPlan, steps: Steps) -> None:
    """Give up everything. After this the process is an ordinary, powerless one."""
    if plan.machine is not None:
        _enter_own_user_namespace()
    limit_resources(plan)
    if plan.uid is not None:
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    if plan.isolated:
        syscalls.drop_capabilities()
    # Both are cleared by the change of identity, so they come after it.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 1)
    if plan.isolated:
        syscalls.install_filter(steps.filter_program if plan.snapshot is None else steps.template_program)
    else:
        # Without a pid namespace: orphans stay with this process, and become the zygote's to kill when it ends.
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def _enter_own_user_namespace() -> None:
    """Without root all sandboxes have one user: a limit on its processes is counted per user namespace (Linux 5.14)."""
    uid, gid = os.getuid(), os.getgid()
    syscalls.unshare(syscalls.NEWUSER)
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    syscalls.drop_bounding_set()  # full again in a new one


def limit_resources(plan: ChildPlan) -> None:
    """Hard limits: nobody inside can raise them again."""
    limits = [
        (resource.RLIMIT_NOFILE, plan.open_files),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 65_536),
    ]
    # That of a template would count all its forks; its cgroup counts its own alone.
    if plan.snapshot is None and plan.processes is not None:
        limits.append((resource.RLIMIT_NPROC, plan.processes))
    for kind, value in limits:
        ceiling = resource.getrlimit(kind)[1]
        hard = value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
        resource.setrlimit(kind, (hard, hard))


def forget_the_zygote() -> None:
    """Undo what only the zygote wanted of its process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.enable()
