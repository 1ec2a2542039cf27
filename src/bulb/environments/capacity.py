"""How many environments this machine may hold. Pure, but for one look at the kernel's own figures."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

_MB = 1_048_576
# Measured: an idle Python environment has about 3 MB of its own, a Node one 7; its handler's work comes on top.
_ENVIRONMENT_BYTES = 8 * _MB
_RESERVED_BYTES = 1024 * _MB
# Descriptors the server holds for one environment (socketpair, pipe, two listeners, watchers, a kernel's figure), and
# for everything else.
_DESCRIPTORS = 9
_OWN_DESCRIPTORS = 512
# Below this share of free memory no further environment is started, whatever the count says.
_LOW_MEMORY = 0.04


@dataclass(frozen=True, slots=True)
class Machine:
    """What the kernel says: bytes of memory, descriptors this process may open, processes the machine may have."""

    memory: int
    descriptors: int
    processes: int


def look() -> Machine:
    """This machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        descriptors = 1_048_576
    return Machine(memory, descriptors, int(Path("/proc/sys/kernel/pid_max").read_text()))


def environments(machine: Machine) -> int:
    """The most environments that may live at once; at least one."""
    by_memory = (machine.memory - _RESERVED_BYTES) // _ENVIRONMENT_BYTES
    by_descriptors = (machine.descriptors - _OWN_DESCRIPTORS) // _DESCRIPTORS
    by_processes = machine.processes // 4
    return max(1, min(by_memory, by_descriptors, by_processes))


def memory_is_low() -> bool:
    """The machine has too little free memory to start another environment."""
    total = available = 0
    with Path("/proc/meminfo").open() as figures:
        for line in figures:
            if line.startswith("MemTotal:"):
                total = int(line.split()[1])
            elif line.startswith("MemAvailable:"):
                available = int(line.split()[1])
                break
    return available < total * _LOW_MEMORY
