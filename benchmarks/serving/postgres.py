"""PostgreSQL with the same rows: takes the data's folder, gives a running cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.data import TABLES
from benchmarks.serving.environments import NotHere
from benchmarks.serving.servers import Command, started

USER = "postgres"
DATABASE = "bench"
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "max_connections": "60",
    "max_wal_size": "4GB",
    "jit": "off",
    # Everything is read only once it is loaded, and is generated anew after a crash.
    "fsync": "off",
    "autovacuum": "off",
}
# What the questions want, as one would design it for them: each is answered from an index alone.
_SCHEMA = """\
CREATE TABLE orders (order_id bigint NOT NULL, customer_id integer NOT NULL,
  store_id integer NOT NULL, ordered_on date NOT NULL, items integer NOT NULL,
  amount numeric(10, 2) NOT NULL, status text NOT NULL);
CREATE TABLE customers (customer_id integer NOT NULL, orders bigint NOT NULL,
  items bigint NOT NULL, revenue numeric(18, 2) NOT NULL, first_order date NOT NULL,
  last_order date NOT NULL);
CREATE TABLE daily_revenue (store_id integer NOT NULL, day date NOT NULL,
  orders bigint NOT NULL, revenue numeric(18, 2) NOT NULL);
"""
_INDEXES = """\
ALTER TABLE orders ADD PRIMARY KEY (order_id);
CREATE INDEX ON orders (store_id, ordered_on DESC, order_id DESC)
  INCLUDE (customer_id, items, amount, status);
ALTER TABLE customers ADD PRIMARY KEY (customer_id);
CREATE UNIQUE INDEX ON daily_revenue (store_id, day) INCLUDE (orders, revenue);
CREATE FUNCTION months(store integer, since date, until date)
  RETURNS TABLE (month date, orders bigint, revenue numeric) LANGUAGE sql STABLE AS $$
  SELECT CAST(date_trunc('month', day) AS date), CAST(sum(d.orders) AS bigint), sum(d.revenue)
  FROM daily_revenue AS d
  WHERE store_id = store AND day BETWEEN since AND until
  GROUP BY 1 ORDER BY 1 $$;
VACUUM ANALYZE;
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running PostgreSQL: `socket` is the folder of its socket, `pid` its first process."""

    socket: Path
    pid: int


def programs() -> Path:
    """The folder with `initdb`, `postgres` and `psql`: of the PATH, or of Debian's newest version.

    Raises:
        NotHere: PostgreSQL is not installed.
    """
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    raise NotHere("PostgreSQL is not installed (Debian: the package postgresql)")


def version() -> str:
    """Such as `PostgreSQL 15.18`."""
    words = _output([str(programs() / "postgres"), "--version"]).split()
    return f"PostgreSQL {words[2]}"


@contextmanager
def running(root: Path, data: Path) -> Iterator[Cluster]:
    """A cluster with the rows of `data`, made if there is none, until the context ends."""
    folder = root / f"postgres-{data.name}"
    loaded = folder / "loaded"
    if not loaded.exists():
        _initialize(folder)
    with _process(folder) as cluster:
        if not loaded.exists():
            _load(cluster, data)
            loaded.touch()
        yield cluster


def _initialize(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
    options = ["--encoding=UTF8", "--locale=C", "--auth=trust", f"--username={USER}", "--no-sync"]
    _output([str(programs() / "initdb"), "--pgdata", str(folder / "cluster"), *options])


@contextmanager
def _process(folder: Path) -> Iterator[Cluster]:
    settings = _SETTINGS | {"unix_socket_directories": str(folder)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    program = [str(programs() / "postgres"), "-D", str(folder / "cluster"), *options]
    (folder / "cluster" / "postmaster.pid").unlink(missing_ok=True)
    log = folder.with_suffix(".log")
    with started(Command(program, folder, log, user=USER)) as process:
        ready = [str(programs() / "pg_isready"), "-q", "-h", str(folder)]
        while subprocess.run(ready, check=False).returncode:
            if process.poll() is not None:
                raise NotHere(f"PostgreSQL does not start: {log.read_text()[-500:]}")
        yield Cluster(folder, process.pid)


def _load(cluster: Cluster, data: Path) -> None:
    psql(cluster, "postgres", f"CREATE DATABASE {DATABASE}")
    psql(cluster, DATABASE, _SCHEMA)
    for table in TABLES:
        source = data / f"{table}.csv"
        psql(cluster, DATABASE, f"\\copy {table} FROM '{source}' (FORMAT csv, HEADER)")
    psql(cluster, DATABASE, _INDEXES)


def psql(cluster: Cluster, database: str, script: str) -> str:
    """What `psql` prints for a script; each statement is a transaction of its own."""
    options = ["-h", str(cluster.socket), "-U", USER, "-d", database, "-qAt", "-f", "-"]
    program = [str(programs() / "psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", *options]
    done = subprocess.run(program, input=script, check=True, capture_output=True, text=True)
    return done.stdout


def _output(command: list[str]) -> str:
    user = USER if os.geteuid() == 0 else None
    done = subprocess.run(command, check=True, capture_output=True, text=True, user=user, cwd="/")
    return done.stdout
