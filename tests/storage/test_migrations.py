"""The migrations come to the metadata, on both engines, and the shortcut for a new database is true."""

from collections.abc import Callable
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, create_engine, inspect, select, text

from bulb.storage.engines import Engines, postgresql_engines, sqlite_engines
from bulb.storage.migrations import HEAD, bring_up_to_date, revise, runner
from bulb.storage.schema import metadata
from tests.support import first_schema


def engines(location: str | Path) -> Engines:
    return sqlite_engines(location) if isinstance(location, Path) else postgresql_engines(location)


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)


def test_the_head_named_is_the_head() -> None:
    assert runner.scripts().get_current_head() == HEAD


def test_migrating_from_nothing_comes_to_the_metadata(location: str | Path) -> None:
    with engines(location).writer.begin() as connection:
        runner.upgrade(connection)
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
        assert differences(connection) == []


def test_a_new_database_is_what_migrating_makes(location: str | Path) -> None:
    with engines(location).writer.begin() as connection:
        bring_up_to_date(connection)
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == HEAD
        assert differences(connection) == []
        bring_up_to_date(connection)


def test_a_missing_column_would_be_noticed(location: str | Path) -> None:
    with engines(location).writer.begin() as connection:
        bring_up_to_date(connection)
        connection.execute(text("ALTER TABLE storage_outbox DROP COLUMN created_at"))
        assert differences(connection) != []


def test_a_failing_migration_leaves_nothing_behind(location: str | Path) -> None:
    made = engines(location)
    with made.writer.connect() as connection:
        transaction = connection.begin()
        runner.upgrade(connection)
        transaction.rollback()
    with made.writer.begin() as connection:
        bring_up_to_date(connection)
        assert differences(connection) == []


def test_a_failing_migration_leaves_the_schema_it_found(location: str | Path) -> None:
    made = engines(location)
    with made.writer.begin() as connection:
        first_schema.make(connection)
        before = sorted(inspect(connection).get_table_names())
    with made.writer.connect() as connection:
        transaction = connection.begin()
        bring_up_to_date(connection)
        transaction.rollback()
    with made.writer.begin() as connection:
        assert sorted(inspect(connection).get_table_names()) == before
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == first_schema.REVISION
        assert "head" not in {column["name"] for column in inspect(connection).get_columns("lambda_policies")}
        bring_up_to_date(connection)
        assert differences(connection) == []


def test_revising_from_nothing_writes_operations_that_make_the_metadata(location: str | Path) -> None:
    with create_engine("sqlite://").connect() as empty:
        source = revise.render("Everything", "0001", None, revise.differences(empty))
    written: dict[str, Callable[[], None]] = {}
    exec(compile(source, "r0001", "exec"), written)
    with engines(location).writer.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            written["upgrade"]()
        assert differences(connection) == []


def test_rows_of_the_first_schema_come_along(location: str | Path) -> None:
    """One row in every table, related by having the same values in every column of a type."""
    with engines(location).writer.begin() as connection:
        first_schema.make(connection)
        before = MetaData()
        before.reflect(connection)
        rows = {table: plausible(table) for table in before.sorted_tables if table.name != "alembic_version"}
        assert len(rows) > 20
        for table, row in rows.items():
            connection.execute(table.insert(), row)
        bring_up_to_date(connection)
        assert differences(connection) == []
        for table, row in rows.items():
            assert connection.execute(select(table)).one()._asdict() == row


def test_attempts_of_before_0005_are_dropped_and_their_messages_are_not(location: str | Path) -> None:
    with engines(location).writer.begin() as connection:
        for script in reversed(list(runner.scripts().walk_revisions("base", "0004"))):
            with Operations.context(MigrationContext.configure(connection)):
                script.module.upgrade()
        first_schema.stamp(connection, "0004")
        before = MetaData()
        before.reflect(connection)
        message, attempt = before.tables["sqs_messages"], before.tables["sqs_attempts"]
        row = plausible(message)
        connection.execute(message.insert(), row)
        connection.execute(attempt.insert(), {**plausible(attempt), "message_ids": "[1.5, 1]"})
        bring_up_to_date(connection)
        assert differences(connection) == []
        assert connection.execute(select(message)).one()._asdict() == row
        now = metadata.tables["sqs_attempts"]
        assert connection.execute(select(now)).all() == []
        connection.execute(now.insert(), plausible(now))


def plausible(table: Table) -> dict[str, object]:
    json = {"x": [1, None]}
    values: dict[type, object] = {str: "x", int: 1, float: 1.5, bool: True, bytes: b"\0", dict: json, object: json}
    return {column.name: values[column.type.python_type] for column in table.columns}
