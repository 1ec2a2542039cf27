"""Run by `test_lower_rungs` as a user without any right: open a host, run a function, say what it answered."""

import asyncio
import sys
from pathlib import Path

from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Code, Image, Limits, Rung
from tests.sandbox.asking import ask, greet


async def main(directory: Path, rung: Rung) -> None:
    """Everything a server does with one function."""
    host = await SandboxHost.open(directory, None if rung is Rung.USERNS else rung)
    image = Image(
        name="python3.11",
        language=Path("/usr"),
        runtime=Path(__file__).resolve().parent / "probe",
        command=("/var/lang/bin/python3.11",),
        prepare="probe:prepare",
        run="probe:run",
        forks=True,
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    code = directory / "code"
    code.mkdir()
    (code / "app.py").write_text("value = 42\n")
    sandbox = await host.start(image, Limits(128, 512), Code(code.resolve()))
    await greet(sandbox)
    answer = await ask(sandbox, "import sys; sys.path.insert(0, '.'); import app; answer = app.value")
    print(host.rung, "answered", answer)
    await sandbox.close()
    await host.close()


asyncio.run(main(Path(sys.argv[1]), Rung(sys.argv[2])))
