"""From a runtime's identifier to the sandbox image that runs it: one zygote each, prepared on first use."""

import asyncio

from bulb.core.errors import AwsError
from bulb.runtimes.catalogue import RUNTIMES, Runtime
from bulb.runtimes.image import Images, RuntimeImage
from bulb.runtimes.interpreters import Interpreters, Missing
from bulb.sandbox.host import SandboxHost
from bulb.sandbox.model import Image


class PreparedImages:
    """Finds interpreters and keeps the images made from them. Safe to call from many tasks."""

    def __init__(self, interpreters: Interpreters, images: Images, sandboxes: SandboxHost) -> None:
        self._interpreters = interpreters
        self._images = images
        self._sandboxes = sandboxes
        self._ready: dict[tuple[str, bool], Image] = {}
        self._locks: dict[tuple[str, bool], asyncio.Lock] = {}

    def ready(self, runtime: str, sdk: bool) -> Image | None:
        """The image, if it has been used before: the cold start's path, without a wait."""
        return self._ready.get((runtime, sdk))

    async def prepare(self, runtime: str, sdk: bool) -> Image:
        """The image of `runtime` with its zygote running; with `sdk` the AWS SDK is loaded in it.

        Raises AwsError InvalidRuntimeException that says which interpreter is missing and how to get it.
        """
        key = (runtime, sdk)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if image := self._ready.get(key):
                return image
            built = await self._build(RUNTIMES[runtime], sdk)
            image = Image(
                name=built.name,
                language=built.language,
                runtime=built.runtime,
                command=built.command,
                prepare=built.prepare,
                run=built.run,
                forks=built.forks,
                environment=built.environment,
                supervised=built.supervised,
            )
            await self._sandboxes.prepare(image)
            self._ready[key] = image
            return image

    async def _build(self, runtime: Runtime, sdk: bool) -> RuntimeImage:
        if runtime.family == "provided":
            return await self._images.provided(runtime)
        found = await self._interpreters.find(runtime)
        if isinstance(found, Missing):
            raise AwsError("InvalidRuntimeException", str(found), status=502)
        return await self._images.image(found, sdk=sdk)
