"""The engine room: sandboxes, interpreters, environments, and the pool that has them ready."""

from pathlib import Path

from bulb.environments import capacity
from bulb.environments.factory import EnvironmentFactory
from bulb.environments.images import PreparedImages
from bulb.environments.materials import Materials
from bulb.environments.pool import EnvironmentPool, Settings
from bulb.environments.snapshots import Snapshots
from bulb.environments.starting import Starter
from bulb.environments.stock import Stock
from bulb.http.message import Handler
from bulb.runtimes.image import Images
from bulb.runtimes.interpreters import Interpreters
from bulb.runtimes.packages import CodeStore
from bulb.sandbox.host import SandboxHost
from bulb.wiring.ground import Ground


class Machines:
    """Where functions run. `answer_inside` is the AWS endpoint that they find inside their sandboxes."""

    def __init__(self, ground: Ground, sandboxes: SandboxHost, answer_inside: Handler) -> None:
        config, around = ground.config, ground.config.surroundings
        self.interpreters = Interpreters(
            config.data,
            overrides={name: Path(path) for name, path in config.interpreters.items()},
            path=around.path,
            home=around.home,
            pyenv_root=around.pyenv,
        )
        self.codes = CodeStore(config.data / "code")
        self.stock = Stock(sandboxes, config.stock)
        ground.closing(self.stock.close)
        images = PreparedImages(self.interpreters, Images(config.data / "images"), sandboxes)
        materials = Materials(images, self.codes)
        starter = Starter(ground.identities.sessions, ground.clock, ground.facts, answer_inside, ground.served_url)
        self.snapshots = Snapshots(sandboxes, materials, starter, ground.function_logs, ground.facts, ground.clock)
        ground.closing(self.snapshots.close)
        factory = EnvironmentFactory(
            sandboxes=sandboxes,
            materials=materials,
            stock=self.stock,
            snapshots=self.snapshots,
            starter=starter,
            logs=ground.function_logs,
            facts=ground.facts,
            clock=ground.clock,
        )
        self.capacity = config.capacity or capacity.environments(capacity.look())
        settings = Settings(self.capacity, freeze_after_s=config.freeze_after, idle_s=config.idle)
        self.pool = EnvironmentPool(factory, ground.clock, settings)
        ground.closing(self.pool.close)
        self.pool.start()
