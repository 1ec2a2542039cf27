"""Rows as values."""

from typing import Any

from sqlalchemy import Row

from bulb.services.events.model import ApiDestination, Archive, Bus, Connection, Replay, Rule, Target
from bulb.services.events.names import BusName, Place, RuleName


def bus_of(row: Row[Any]) -> Bus:
    """A bus."""
    return Bus(
        name=BusName(row.account, row.region, row.name),
        created_at=row.created_at,
        modified_at=row.modified_at,
        revision=row.revision,
        description=row.description,
        policy=row.policy,
        log_config=row.log_config,
        tags=row.tags,
    )


def rule_of(row: Row[Any]) -> Rule:
    """A rule."""
    return Rule(
        name=RuleName(row.account, row.region, row.bus, row.name),
        created_by=row.created_by,
        state=row.state,
        pattern=row.pattern,
        schedule=row.schedule,
        description=row.description,
        role_arn=row.role_arn,
        tags=row.tags,
    )


def target_of(row: Row[Any]) -> Target:
    """A target."""
    return Target(row.id, row.arn, row.settings)


def archive_of(row: Row[Any]) -> Archive:
    """An archive."""
    return Archive(
        id=row.id,
        place=Place(row.account, row.region, row.name),
        bus=BusName(row.account, row.region, row.bus),
        retention_days=row.retention_days,
        created_at=row.created_at,
        description=row.description,
        pattern=row.pattern,
    )


def replay_of(row: Row[Any]) -> Replay:
    """A replay."""
    return Replay(
        place=Place(row.account, row.region, row.name),
        archive_id=row.archive_id,
        archive_arn=row.archive_arn,
        bus=BusName(row.account, row.region, row.bus),
        filter_arns=tuple(row.filter_arns) if row.has_filter else None,
        event_start=row.event_start,
        event_end=row.event_end,
        state=row.state,
        started_at=row.started_at,
        description=row.description,
        state_reason=row.state_reason,
        ended_at=row.ended_at,
        last_at=row.last_at,
        last_id=row.last_id,
    )


def connection_of(row: Row[Any]) -> Connection:
    """A connection."""
    return Connection(
        place=Place(row.account, row.region, row.name),
        id=row.id,
        kind=row.kind,
        parameters=row.parameters,
        state=row.state,
        created_at=row.created_at,
        modified_at=row.modified_at,
        revision=row.revision,
        description=row.description,
        state_reason=row.state_reason,
        authorized_at=row.authorized_at,
        token=row.token,
        token_until=row.token_until,
    )


def api_destination_of(row: Row[Any]) -> ApiDestination:
    """An API destination."""
    return ApiDestination(
        place=Place(row.account, row.region, row.name),
        id=row.id,
        connection_arn=row.connection_arn,
        endpoint=row.endpoint,
        method=row.method,
        rate=row.rate,
        created_at=row.created_at,
        modified_at=row.modified_at,
        description=row.description,
    )
