"""Opening the ledger: SQLite by default, PostgreSQL by URL; transactions and the clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import Float

from dicom_node.errors import Misconfigured, Unreachable
from dicom_node.ledger import away

SECONDS_A_DAY = 86_400
_BUSY_MILLISECONDS = 30_000
#: A writer of PostgreSQL waits no longer for its turn than one of SQLite.
_LOCK_MILLISECONDS = _BUSY_MILLISECONDS
#: After so long a transaction is ended by PostgreSQL whose program asks nothing more: its machine
#: may have gone, and all others wait for it.
_SILENT_MILLISECONDS = 60_000
#: Of SQLSTATE (PostgreSQL, Appendix A): connection exceptions, insufficient resources, operator
#: intervention, system errors; and a transaction that may only read.
_AWAY_CLASSES, _READ_ONLY = ("08", "53", "57", "58"), "25006"
#: What SQLite says of a file that is no ledger, or no longer one.
_SPOILED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
#: libpq's own waiting has no end, or one of hours: when the server's machine has gone.
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_POSTGRESQL = "postgresql+psycopg"
_EXPECTED = f"expected sqlite:////PATH, {_POSTGRESQL}://USER@HOST:PORT/NAME, or nothing"
#: Values that are bound to one statement, at most.
_AT_ONCE = 500
_T = TypeVar("_T")
#: Any constant: names the lock that makes writers of PostgreSQL take turns, as SQLite's do. The
#: ledger reads before it writes, and its writes are few and short.
_WRITER = 4_239_411


class now(FunctionElement[float]):  # noqa: N801 - stands where SQL functions stand
    """Seconds since 1970 on the ledger's clock, so that several machines agree."""

    type = Float()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    # Of a subquery the planner knows that it is asked once, so that an index can be searched by it.
    return "(SELECT extract(epoch from clock_timestamp())::float8)"


class Database:
    """The ledger's database, brought up to date at opening."""

    def __init__(self, url: str) -> None:
        """Open the database at a SQLAlchemy URL.

        Raises:
            Misconfigured: the URL is not one, its driver is not installed, its folder cannot be
                made, or a later version of this program has been at it.
            Unreachable: the database does not answer.
        """
        try:
            self._engine = _engine(url)
        except (ArgumentError, ValueError):
            raise Misconfigured(f"ledger.url: {_EXPECTED}") from None
        except ModuleNotFoundError as error:
            raise Misconfigured(f"ledger.url: {error}") from None
        except OSError as error:
            told = f"its folder cannot be made: {error.strerror}"
            raise Misconfigured(f"ledger.url: {told}") from None
        self.migrate()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the right to write from its first statement."""
        with (
            _reachable(self._engine.url),
            self._engine.execution_options(writes=True).begin() as connection,
        ):
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER})")
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view."""
        with _reachable(self._engine.url), self._engine.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema up to date; several programs may try at once."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.writing() as connection:
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError:
                raise Misconfigured(
                    "the ledger was brought up to date by a later version of this program; run that"
                ) from None

    def try_to_write(self) -> None:
        """Change nothing, where something may be changed.

        Raises:
            Unreachable: the database does not answer, or may only be read.
        """
        with self.writing() as connection:
            connection.exec_driver_sql("UPDATE jobs SET id = id WHERE 1 = 0")

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


def batches(values: Iterable[_T]) -> Iterator[list[_T]]:
    """As many at a time as one statement may be given."""
    left = iter(values)
    while some := list(itertools.islice(left, _AT_ONCE)):
        yield some


@contextmanager
def _reachable(url: URL) -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise Unreachable("the ledger does not answer: too many wait for it") from error
    except DBAPIError as error:
        if not _is_away(error):
            raise
        raise Unreachable(away.told(url, error.orig or error)) from error


def _is_away(error: DBAPIError) -> bool:
    """Whether trying again may help: the connection, the server or its disk is at fault, or it may
    only be read just now, as while another server takes its place.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        isinstance(error, OperationalError)
        or error.statement is None  # of connecting
        or error.connection_invalidated
        or state.startswith(_AWAY_CLASSES)
        or state == _READ_ONLY
        or str(getattr(error.orig, "sqlite_errorname", "")).startswith(_SPOILED)
    )


def _engine(url: str) -> Engine:
    # hide_parameters: what is bound to a statement never reaches an exception's text.
    if (driver := make_url(url).drivername) not in ("sqlite", _POSTGRESQL):
        raise ArgumentError(driver)
    if driver == _POSTGRESQL:
        return _postgresql(url)
    database = make_url(url).database
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not in the driver
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",  # first: the next one may have to wait as well
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that first reads and then writes fails at once when another one
        # writes in between, whatever the timeout.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: str) -> Engine:
    asked = make_url(url).query  # what a site has put into its URL stands
    of_libpq = {name: value for name, value in _LIBPQ.items() if name not in asked}
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=of_libpq)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {_LOCK_MILLISECONDS}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {_SILENT_MILLISECONDS}")
        connection.commit()

    @event.listens_for(engine, "handle_error")
    def _lost(context: ExceptionContext) -> None:
        # A session that was opened while nothing might be written may stay so for good.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine
