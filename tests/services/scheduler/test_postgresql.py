"""The same schedules over PostgreSQL."""

from pathlib import Path

from tests.services.scheduler.room import at, bodies, queue, queue_target, schedule
from tests.support.bulb import running_bulb
from tests.support.waiting import until


def test_schedules_over_postgresql(postgresql_location: str, tmp_path: Path) -> None:
    settings = {"database": postgresql_location, "stock": 0, "egress": "none"}
    with running_bulb(tmp_path / "data", **settings) as bulb:
        scheduler, sqs = bulb.client("scheduler"), bulb.client("sqs")
        url, due = queue(sqs, "ticks"), int(bulb.clock.now()) + 100
        scheduler.create_schedule_group(Name="g")
        for name in ("b", "B", "a-1", "a"):
            target = queue_target("ticks", Input=f'"{name}"')
            schedule(scheduler, name, at(due), target, GroupName="g", ActionAfterCompletion="DELETE")
        schedule(scheduler, "z", "rate(1 days)", queue_target("ticks", Input='"z"'), State="DISABLED")
        pages = scheduler.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 2})
        listed = [f"{one['GroupName']}/{one['Name']}" for page in pages for one in page["Schedules"]]
        assert listed == ["default/z", "g/B", "g/a", "g/a-1", "g/b"]
        assert [one["Name"] for one in scheduler.list_schedules(NamePrefix="a")["Schedules"]] == ["a", "a-1"]
        bulb.clock.advance(due + 1 - bulb.clock.now())
        assert sorted(bodies(sqs, url, 4)) == ["B", "a", "a-1", "b"]
        until(lambda: not scheduler.list_schedules(GroupName="g")["Schedules"], "they are complete")
        scheduler.delete_schedule_group(Name="g")
        groups = scheduler.list_schedule_groups
        until(lambda: [group["Name"] for group in groups()["ScheduleGroups"]] == ["default"], "the group is gone")
