"""A few threads that read. Each has a connection of its own, opened when it is first used, that cannot write."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")


class Readers:
    """Runs functions of a connection, each in one transaction, so that it sees one moment of the database."""

    def __init__(self, engine: Engine, threads: int) -> None:
        self._engine = engine
        self._local = threading.local()
        self._open: list[Connection] = []
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="bulb-reader")

    def submit(self, function: Callable[[Connection], T]) -> Future[T]:
        """Run `function` in one of the threads."""
        return self._executor.submit(self._run, function)

    def close(self) -> None:
        """Finish what was submitted, then close the connections. Blocks."""
        self._executor.shutdown()
        for connection in self._open:
            connection.close()

    def _run(self, function: Callable[[Connection], Any]) -> Any:
        """A read whose connection was lost is begun anew, once: PostgreSQL may have been restarted since the last."""
        try:
            return self._read(function)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return self._read(function)

    def _read(self, function: Callable[[Connection], Any]) -> Any:
        connection = self._connection()
        try:
            with connection.begin() as transaction:
                try:
                    return function(connection)
                finally:
                    transaction.rollback()
        except BaseException:
            if connection.invalidated or connection.closed:
                self._forget(connection)
            raise

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._engine.connect()
            self._local.connection = connection
            self._open.append(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._local.connection = None
        self._open.remove(connection)
        connection.close()
