"""Killed around a tick: the tick and what it sends are one transaction, so nothing is lost and nothing is doubled."""

import collections
import json
import random
import time
from pathlib import Path
from typing import Any

from tests.services.scheduler.room import at, drained, queue, queue_target, schedule
from tests.support import waiting
from tests.support.bulb import Process

_SCHEDULES, _KILLS = 60, 2


def seconds_each(scheduler: Any) -> float:
    """How long it takes here and now to make a schedule."""
    begun = time.monotonic()
    for _ in range(5):
        schedule(scheduler, "probe", "at(2099-01-01T00:00:00)", queue_target("ticks", Input="0"))
        scheduler.delete_schedule(Name="probe")
    return (time.monotonic() - begun) / 5


def test_ticks_survive_kills(tmp_path: Path) -> None:
    server = Process(tmp_path / "data", "--stock", "0", "--egress", "none")
    server.start()
    try:
        scheduler, sqs = server.client("scheduler"), server.client("sqs")
        queue(sqs, "ticks")
        due = int(time.time() + 3 + 3 * _SCHEDULES * seconds_each(scheduler)) + 1
        for number in range(_SCHEDULES):
            target = queue_target("ticks", Input=json.dumps({"n": number, "at": "<aws.scheduler.scheduled-time>"}))
            after = "DELETE" if number % 2 else "NONE"
            schedule(scheduler, f"s{number}", at(due + number % 3), target, ActionAfterCompletion=after)
        assert time.time() < due, "the schedules exist before they are due"
        chance = random.Random(4)
        time.sleep(max(due - time.time(), 0))
        for _ in range(_KILLS):
            time.sleep(chance.uniform(0.0, 0.5))
            server.kill()
            server.start()
        sqs = server.client("sqs")
        url = sqs.get_queue_url(QueueName="ticks")["QueueUrl"]
        found: collections.Counter[int] = collections.Counter()
        until = time.monotonic() + 30
        while len(found) < _SCHEDULES and time.monotonic() < until:
            found.update(body["n"] for body in drained(sqs, url))
            time.sleep(0.05)
        time.sleep(0.5)
        found.update(body["n"] for body in drained(sqs, url))
        assert found == collections.Counter(range(_SCHEDULES))
        scheduler, kept = server.client("scheduler"), {f"s{number}" for number in range(0, _SCHEDULES, 2)}

        def left() -> set[str]:
            return {one["Name"] for one in scheduler.list_schedules(MaxResults=100)["Schedules"]}

        waiting.until(lambda: left() == kept, "those that are complete are gone")
    finally:
        server.kill()
