"""From a runtime's identifier to the sandbox image that runs it: one zygote each, prepared on first use."""

import asyncio

from bulb.core.errors import AwsError
from bulb.runtimes.catalogue import RUNTIMES
from bulb.runtimes.image import Images
from bulb.runtimes.interpreters import Interpreters, Missing
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Image


class PreparedImages:
    """Finds interpreters and keeps the images made from them. Safe to call from many tasks."""

    def __init__(self, interpreters: Interpreters, images: Images, sandboxes: SandboxHost) -> None:
        self._interpreters = interpreters
        self._images = images
        self._sandboxes = sandboxes
        self._ready: dict[str, Image] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def ready(self, runtime: str) -> Image | None:
        """The image, if it has been used before: the cold start's path, without a wait."""
        return self._ready.get(runtime)

    async def prepare(self, runtime: str) -> Image:
        """The image of `runtime` with its zygote running.

        Raises AwsError InvalidRuntimeException that says which interpreter is missing and how to get it.
        """
        async with self._locks.setdefault(runtime, asyncio.Lock()):
            if image := self._ready.get(runtime):
                return image
            found = await self._interpreters.find(RUNTIMES[runtime])
            if isinstance(found, Missing):
                raise AwsError("InvalidRuntimeException", str(found), status=502)
            built = await self._images.image(found)
            image = Image(
                name=built.name,
                language=built.language,
                runtime=built.runtime,
                command=built.command,
                prepare=built.prepare,
                run=built.run,
                forks=built.forks,
                environment=built.environment,
            )
            await self._sandboxes.prepare(image)
            self._ready[runtime] = image
            return image
