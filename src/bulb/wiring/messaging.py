"""The wings of the services that hand on what happened: queues, topics, buses and schedules."""

import random
from collections.abc import Mapping

from bulb.delivery.http_courier import HttpCourier
from bulb.delivery.polling import QueueMappings
from bulb.gateway.own_calls import OwnCalls
from bulb.services import events, scheduler, sns, sqs
from bulb.wiring.functions import Functions
from bulb.wiring.ground import Ground
from bulb.wiring.part import Part


class Queues:
    """SQS, and the functions that read from its queues."""

    def __init__(self, ground: Ground, store: sqs.SqsStore, functions: Functions) -> None:
        clock = ground.clock
        self.mappings = QueueMappings(
            sqs.Reader(store, clock), functions.catalog, functions.dispatcher, ground.facts, clock, ground.authorizer
        )
        functions.on_change(self.mappings.function_changed)
        self._waiting = sqs.Waiting(store, clock)
        self._keeper, self._moves = sqs.Keeper(store, clock), sqs.MoveWork(store, clock)
        ground.closing(self.close)
        self._keeper.start()
        self.part = Part(
            "sqs",
            sqs.SqsApi(store, self._waiting, self._moves, clock),
            sqs.needs,
            guards=sqs.Guards(store.queues),
            destination=sqs.Arrivals(store, ground.doors).take,
        )

    async def resume(self) -> None:
        """Take up what an earlier process left."""
        await self._moves.resume()

    async def drain(self, seconds: float) -> None:
        """Answer those who wait for messages, and let batches end."""
        self._waiting.stop()
        await self.mappings.drain(seconds)

    async def close(self) -> None:
        """Stop; what is under way is left to the next start."""
        self._waiting.stop()
        await self._moves.close()
        await self._keeper.close()
        await self.mappings.close()


def topics(ground: Ground) -> Part:
    """SNS."""
    directory, signer = sns.Directory(ground.database), sns.Signer(ground.database, ground.clock)
    publisher = sns.Publisher(directory, signer, ground.doors, ground.served_url)
    statuses = sns.Statuses(ground.log_store, ground.clock)
    ground.facts.add(statuses.listen)
    replaying = sns.Replaying(ground.database, directory, ground.served_url, ground.clock)
    ground.closing(replaying.close)
    replaying.start()
    parts = sns.Parts(
        ground.database, publisher, signer, statuses, ground.served_url, locks=ground.config.enforce_credentials
    )
    return Part(
        "sns",
        sns.SnsApi(parts),
        sns.needs,
        guards=directory,
        prepared=publisher.prepare,
        couriers={"http": HttpCourier(ground.clock).carry},
        after=sns.after_refusal,
        routes={sns.CERTIFICATE_PATH: signer.serve},
    )


def buses(ground: Ground) -> Part:
    """EventBridge: its buses, its rules and their clocks, replays, and calls to API destinations."""
    store = events.EventsStore.over(ground.database, events.set_clock)
    putting, posting = events.Putting(store.views), events.Posting(store.connections, ground.clock)
    replaying, ticks = events.Replaying(store, putting, ground.clock), events.Ticks(store.views)
    ground.timers.register(events.OWNER, ticks.fire, ticks.rewound)
    for work in (replaying, posting):
        ground.closing(work.close)
        work.start()
    return Part(
        "events",
        events.EventsApi(store, putting, ground.authorizer),
        events.needs,
        guards=events.Guards(store.buses),
        prepared=events.Arrivals(putting).prepare,
        couriers={events.COURIER: posting.carry, events.REFUSING: events.refuse},
        after=events.after_refusal(random.random),
    )


def schedules(ground: Ground, services: Mapping[str, object]) -> Part:
    """EventBridge Scheduler, and the calls to `services` that it makes in the names of its roles."""
    calls = OwnCalls(services, ground.catalog, ground.authorizer)
    firing = scheduler.Firing(
        lambda action: calls.find(action.service, action.name),
        random.random,
        asks_role=ground.authorizer is not None,
    )
    ground.timers.register(scheduler.OWNER, firing.fire, firing.rewound)
    return Part(
        "scheduler",
        scheduler.SchedulerApi(ground.database, calls, ground.authorizer),
        scheduler.needs,
        couriers={"aws-call": calls.carry},
        after=scheduler.after_refusal,
    )
