"""Run by `test_lower_rungs` as a user without any right: open a host, run a function, say what it answered."""

import asyncio
import sys
from pathlib import Path

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Image, Limits, Rung
from tests.sandbox.asking import ask, greet

THREADS = """
import threading, time
answer = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        answer += 1
except RuntimeError: pass
"""
_HERE = Path(__file__).resolve().parent


async def main(directory: Path, code: Path, rung: Rung) -> None:
    """Everything a server does with one function."""
    host = await SandboxHost.open(directory, None if rung is Rung.USERNS else rung)
    image = Image(
        name="python3.11",
        language=Path("/usr"),
        runtime=_HERE / "probe",
        command=("/var/lang/bin/python3.11",),
        prepare="probe:prepare",
        run="probe:run",
        forks=True,
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    sandbox = await host.start(image, Limits(128, 512), Code(code))
    await greet(sandbox)
    answer = await ask(sandbox, "import sys; sys.path.insert(0, '.'); import app; answer = app.value")
    print(host.rung, "answered", answer)
    if rung is Rung.USERNS:
        await two_at_their_limits(host, image, code)
    await sandbox.close()
    await host.close()


async def two_at_their_limits(host: SandboxHost, image: Image, code: Path) -> None:
    """What one sandbox has of threads takes none away from another of the same user."""
    limits = Limits(512, 512, processes=50)
    for sandbox in [await host.start(image, limits, Code(code)) for _ in range(2)]:
        await greet(sandbox)
        print(await ask(sandbox, THREADS), "threads")


def code_in(directory: Path) -> Path:
    """The code of the function."""
    code = directory.resolve() / "code"
    code.mkdir()
    (code / "app.py").write_text("value = 42\n")
    return code


asyncio.run(main(Path(sys.argv[1]), code_in(Path(sys.argv[1])), Rung(sys.argv[2])))
