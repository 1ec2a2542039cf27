"""The zygote: one single-threaded process per image that turns requests into sandboxed children and reaps them.

It already lives in the finished, read-only root. When the server goes away, however it goes, its end of the socket
closes, and the zygote kills every child and ends: nothing outlives a server.
"""

import contextlib
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from . import child, restoring, syscalls, wire
from .processes import children
from .supervisor import Supervisor

_FAILED = 125
_CONTROL_FD = 200  # Or the next one that is free.


class Zygote:
    """Serves one control socket until it closes. `execute` replaces the process (exec images), `run` never returns."""

    def __init__(self, control: socket.socket, config: wire.Message, own_pid_namespace: int | None) -> None:
        self._control = control
        self._namespace = own_pid_namespace
        self._command: list[str] = config["command"]
        self._environment: dict[str, str] = config["environment"]
        self._isolated: bool = config["isolated"]
        self._run: Callable[..., None] | None = None
        self._steps = child.steps_of(*(restoring.filters() if self._isolated else (b"", b"")))
        self._pids: dict[int, str] = {}
        self._ids: dict[str, int] = {}
        self._temporary: dict[str, int] = {}

    def prepare(self, config: wire.Message) -> None:
        """Do once what every child would do: import the language's modules and freeze the heap they live in."""
        if config["forks"]:
            if config["prepare"]:
                _find(config["prepare"])()
            self._run = _find(config["run"])
        if self._isolated:
            syscalls.drop_bounding_set()
        else:
            sys.dont_write_bytecode = True  # the code of a function is what its other environments start from
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        gc.collect()
        gc.disable()
        gc.freeze()

    def serve(self) -> None:
        """Answer requests and reap children until the server is gone."""
        woken, wake = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(woken, select.POLLIN)
        wire.send(self._control, {"is": "ready"})
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if woken.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    woken.recv(4096)
                self._reap()
            if self._control.fileno() in ready and not self._take_one():
                return

    def _take_one(self) -> bool:
        try:
            received = wire.receive(self._control)
        except ConnectionError:
            return False
        if received is None:
            return False
        message, descriptors = received
        if message["do"] == "spawn":
            self._spawn(wire.ChildPlan(message, descriptors))
        elif message["do"] == "signal":
            self._signal(message["id"], message["signal"])
        elif (kept := self._temporary.pop(message["id"], None)) is not None:
            os.close(kept)
        return True

    def _signal(self, name: str, number: int) -> None:
        if (pid := self._ids.get(name)) is None:
            return  # it has ended, and the server will hear of it
        if number == signal.SIGKILL and not self._isolated:
            _kill_group(pid)
        os.kill(pid, number)

    def _spawn(self, plan: wire.ChildPlan) -> None:
        try:
            if plan.temporary is not None:
                self._give_temporary(plan, *plan.temporary)
            pid = self._fork()
        except OSError as error:
            wire.send(self._control, {"is": "failed", "id": plan.id, "why": str(error)})
            wire.send(self._control, {"is": "exit", "id": plan.id, "status": _FAILED << 8, "rss": 0, "cpu": 0.0})
            return
        if pid == 0:
            self._be_born(plan)
        for fd in plan.descriptors:
            os.close(fd)
        self._pids[pid] = plan.id
        self._ids[plan.id] = pid
        wire.send(self._control, {"is": "born", "id": plan.id, "pid": pid})

    def _fork(self) -> int:
        """fork(2) into a new pid namespace; the pid as the machine sees it, 0 in the child."""
        if not self._isolated:
            return os.fork()
        if self._namespace is None:
            return _fork_by_helper()
        syscalls.unshare(syscalls.NEWPID)
        try:
            pid = os.fork()
        except OSError:
            syscalls.setns(self._namespace, syscalls.NEWPID)
            raise
        if pid:
            # Without this the next unshare is refused.
            syscalls.setns(self._namespace, syscalls.NEWPID)
        return pid

    def _give_temporary(self, plan: wire.ChildPlan, name: str, size: int) -> None:
        """Without root the server may not mount: the sandbox's /tmp is kept here, a copy goes to the child."""
        kept = self._temporary.get(name)
        if kept is None:
            kept = self._temporary[name] = syscalls.new_tmpfs(size)
        else:
            syscalls.resize_tmpfs(kept, size)
        try:
            plan.tmp = syscalls.clone_mount(kept)
        except OSError:  # before Linux 6.15 a kept mount cannot be copied: this /tmp ends with its process
            plan.tmp = self._temporary.pop(name)
        plan.descriptors.append(plan.tmp)

    def _be_born(self, plan: wire.ChildPlan) -> None:
        """In the child: never returns."""
        try:
            child.forget_the_zygote()
            self._complete(plan)
            if plan.supervision is not None and plan.extension_log is not None:
                Supervisor(plan.supervision, plan.extension_log, self._run).serve()
            if self._run is not None and plan.snapshot is not None:
                restorer = restoring.Restorer(child.SNAPSHOT_FD, os.getuid(), self._steps.filter_program)
                self._run(child.API_FD, restorer)
            elif self._run is not None:
                self._run(child.API_FD)
            else:
                os.execve(self._command[0], self._command, self._environment | plan.variables)  # noqa: S606
        except SystemExit as leaving:
            os._exit(leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _complete(self, plan: wire.ChildPlan) -> None:
        """Every step from fork to locked; a failure is told to the server and ends the child."""
        control = self._control.fileno()
        try:
            if plan.isolated:
                listeners = child.isolate(plan, self._steps)
                if listeners:
                    told = {"is": "listening", "id": plan.id}
                    wire.send(self._control, told, tuple(listener.fileno() for listener in listeners))
            else:
                os.setsid()
            os.chdir(plan.directory)
            control = child.settle_descriptors(plan, control)
            child.lock(plan, self._steps)
            os.close(control)
        except BaseException as error:
            with contextlib.suppress(OSError), socket.socket(fileno=control) as channel:
                wire.send(channel, {"is": "failed", "id": plan.id, "why": f"{type(error).__name__}: {error}"})
            os._exit(_FAILED)

    def _reap(self) -> None:
        while self._pids:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            if (name := self._pids.pop(pid, None)) is None:
                continue  # an orphan of a plain sandbox
            del self._ids[name]
            if not self._isolated:
                _kill_group(pid)
                self._kill_strays()
            cpu = usage.ru_utime + usage.ru_stime
            wire.send(
                self._control, {"is": "exit", "id": name, "status": status, "rss": usage.ru_maxrss * 1024, "cpu": cpu}
            )

    def _kill_strays(self) -> None:
        """What a dead plain sandbox left behind, in whatever session, is our child now (see `child.lock`)."""
        for pid in children(os.getpid()):
            if pid not in self._pids:
                _kill_tree(pid)

    def end(self) -> None:
        """Kill every child; with the first process of a pid namespace everything in it goes."""
        for pid in self._pids:
            if self._isolated:
                os.kill(pid, signal.SIGKILL)
            else:
                _kill_group(pid)


def _fork_by_helper() -> int:
    """The same without root, where nobody may return to the machine's pid namespace: a helper goes and does not return.

    Its child becomes ours when it is gone (we are a subreaper), and only then goes on: its wish to die with its parent
    must not mean the helper.
    """
    told, tell = os.pipe()
    wait, release = os.pipe()
    helper = os.fork()
    if helper == 0:
        try:
            syscalls.unshare(syscalls.NEWPID)
            pid = os.fork()
        except OSError:
            os._exit(1)
        if pid:
            os.write(tell, str(pid).encode())
            os._exit(0)
        os.read(wait, 1)
        return 0
    os.waitpid(helper, 0)
    os.close(tell)
    pid = int(os.read(told, 32) or b"0")
    os.write(release, b"x")
    for fd in (told, wait, release):
        os.close(fd)
    if pid == 0:
        raise ChildProcessError("no process could be made in a new pid namespace")
    return pid


def _kill_tree(pid: int) -> None:
    """Kill a process, then what it had started: dead it starts nothing more."""
    below = children(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child_pid in below:
        _kill_tree(child_pid)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _hide(hidden: str) -> None:
    """Take what only a zygote needs out of the root, then let nobody write to it any more."""
    for place in (hidden, "/proc"):
        syscalls.unmount(place)
    Path(hidden).rmdir()
    flags = syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | syscalls.MS_NOSUID
    syscalls.mount("", "/", "", flags)


def _find(name: str) -> Callable[..., None]:
    module, _, function = name.partition(":")
    found: Callable[..., None] = getattr(importlib.import_module(module), function)
    return found


def main(control_fd: int, namespace_fd: int, hidden: str, runtime: str) -> None:
    """Serve `control_fd`. `hidden` is where these modules came from: taken out of sight once they are loaded."""
    # Not dup2(): whatever came in may have that very number already.
    control = socket.socket(fileno=fcntl.fcntl(control_fd, fcntl.F_DUPFD_CLOEXEC, _CONTROL_FD))
    os.close(control_fd)
    namespace = namespace_fd if namespace_fd >= 0 else None
    sys.path[:] = [runtime, *(entry for entry in sys.path if entry not in ("", hidden, runtime))]
    try:
        received = wire.receive(control)
        if received is None:
            return
        config = received[0]
        zygote = Zygote(control, config, namespace)
        if config["isolated"]:
            _hide(hidden)
        zygote.prepare(config)
    except BaseException:
        wire.send(control, {"is": "broken", "why": traceback.format_exc(limit=-3)})
        raise
    try:
        zygote.serve()
    finally:
        zygote.end()
