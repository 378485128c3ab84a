"""Queries in processes of their own answer as in threads, and harm nobody when they cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from datetime import time as clock_time
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import get_args
from uuid import UUID

import psutil
import pytest

from headrace.base.errors import CorruptObject
from headrace.base.tables import Column
from headrace.serve.columnar.in_process import InProcess
from headrace.serve.columnar.queries import QueryFailed, Reader
from headrace.serve.columnar.query_processes import ProcessReader, QueryProcesses
from headrace.serve.formats.forms import Ending, Form
from headrace.serve.settings import ServeSettings
from headrace.store.snapshots import Parameter
from headrace.store.store import Store
from tests.serve.conftest import Serve
from tests.serve.querying import ENDLESS, STUBBORN, VALUE, asked, refused, stopped
from tests.serve.shop import SALES, Client, Shop, endpoint, value_endpoint

SETTINGS = ServeSettings(workers=2, memory_limit="512MB")
MIB = 1024 * 1024
BOMBS = {
    "list": "SELECT list_sum(range(500000000)) AS value",
    "text": "SELECT length(repeat('a', 2000000000)) AS value",
    "cross join": ENDLESS,
    "pattern": "SELECT count(*) AS value FROM range(100000000) a(i)"
    " WHERE regexp_matches(repeat('a', 1000) || i, '(a|aa)+(a|aa)+$')",
    "parentheses": f"SELECT {'(' * 5000}1{')' * 5000} AS value",
    "many parentheses": f"SELECT {'(' * 50000}1{')' * 50000} AS value",
    "sort": "SELECT i AS value FROM range(1000000000) a(i) ORDER BY hash(i)",
    "aggregate": "SELECT list(i) AS value FROM range(1000000000) a(i)",
    "one call": STUBBORN,
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop(Store.open(tmp_path_factory.mktemp("processes") / "store"))
    shop.publish_sales(rows=20_000)
    yield shop
    shop.engine.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[QueryProcesses]:
    processes = QueryProcesses(SETTINGS)
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def reader(published: Shop, processes: QueryProcesses) -> Iterator[ProcessReader]:
    reader = opened(processes, published)
    yield reader
    reader.close()


@pytest.fixture
def alone(published: Shop) -> Iterator[ProcessReader]:
    """A reader whose processes no other test minds the end of: one at a time."""
    own = QueryProcesses(ServeSettings(workers=1, memory_limit="512MB"))
    reader = opened(own, published)
    yield reader
    own.close()


def opened(processes: QueryProcesses, shop: Shop) -> ProcessReader:
    head = shop.store.head("prod")
    assert head is not None
    return processes.open(shop.store, head)


def process_of(reader: ProcessReader, sql: str = "SELECT 1 AS value") -> psutil.Process:
    """A process that has answered a query."""
    stream = reader.query(sql, {}, VALUE, Form("json"))
    stream.next()
    assert stream._claim.child is not None
    stream.close()
    return psutil.Process(stream._claim.child.process.pid)


@pytest.mark.parametrize(
    "form",
    [
        Form("json"),
        Form("json", "arrays", numbers="text"),
        Form("ndjson"),
        Form("csv"),
        Form("csv", guard=False),
        Form("arrow"),
        Form("parquet"),
        Form("xlsx"),
    ],
)
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT day AS value FROM sales ORDER BY ALL",
        "SELECT sum(revenue) AS value FROM sales",
        "SELECT '=1+1' AS value WHERE false",
        "SELECT '=1+1' AS value",
    ],
)
def test_an_answer_is_the_same_in_a_thread_and_in_a_process(
    published: Shop, reader: ProcessReader, sql: str, form: Form
) -> None:
    threads = InProcess(SETTINGS).open(published.store, reader.ref)
    assert asked(reader, sql, form) == asked(threads, sql, form)
    threads.close()


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -(2**63),
        2**127 - 1,
        1.5,
        "'; DROP TABLE sales;--\0😀",
        b"\0\xff",
        Decimal("12.50"),
        date(2024, 3, 1),
        clock_time(12, 30, 0, 5),
        datetime(2024, 3, 1, 12, 30),
        datetime(2024, 3, 1, 12, 30, tzinfo=UTC),
        UUID("123e4567-e89b-12d3-a456-426614174000"),
        [1, 2, None],
        [date(2024, 3, 1)],
        [],
    ],
)
def test_a_parameter_arrives_as_what_it_is(
    published: Shop, reader: ProcessReader, value: object
) -> None:
    threads = InProcess(SETTINGS).open(published.store, reader.ref)
    sql = "SELECT {'value': $x, 'type': typeof($x)} AS value"
    assert asked(reader, sql, x=value) == asked(threads, sql, x=value)
    threads.close()


def test_columns_are_known_before_anything_runs(reader: ProcessReader) -> None:
    assert reader.fields("SELECT day, revenue FROM sales WHERE store_id = $x", ["x"]) == [
        "day",
        "revenue",
    ]
    assert refused(lambda: reader.fields("SELECT nothing FROM sales", [])).kind == "failed"


def test_a_query_that_takes_for_ever_to_bind_is_no_reason_to_wait(published: Shop) -> None:
    """Constants are computed when a query is bound."""
    processes = QueryProcesses(ServeSettings(workers=1, deadline_seconds=0.3))
    reader = opened(processes, published)
    failed = refused(lambda: reader.fields(STUBBORN, []))
    assert (failed.kind, str(failed)) == ("process", "query process 1 does not reply")
    assert reader.fields("SELECT 1 AS value", []) == ["value"]
    processes.close()


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 9223372036854775807::BIGINT + $x::BIGINT AS value", "values"),
        ("SELECT regexp_matches('a', $x || '(') AS value", "values"),
        ("SELECT list(i + $x) AS value FROM range(1000000000) a(i)", "memory"),
        ("SELECT nothing_there($x) AS value", "failed"),
        ("SELEC $x", "failed"),
    ],
)
def test_a_failure_says_whose_it_is(
    published: Shop, reader: ProcessReader, sql: str, kind: str
) -> None:
    limited = ServeSettings(memory_limit="256MB")
    threads = InProcess(limited).open(published.store, reader.ref)
    both: tuple[Reader, ...] = (reader, threads)
    assert [refused(partial(asked, each, sql, x=1)).kind for each in both] == [kind, kind]
    threads.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; DROP TABLE sales",
        "CREATE OR REPLACE MACRO upper(x) AS 'mine'",
        "COPY (SELECT 1) TO '{inside}/new.parquet'",
        "COPY (SELECT 1) TO '{outside}'",
        "CREATE TABLE sales2 AS SELECT 1",
        "INSERT INTO sales SELECT * FROM sales",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('{outside}')",
        "SELECT * FROM read_csv('{outside}')",
        "SELECT * FROM sniff_csv('{outside}')",
        "SELECT * FROM '{inside}/../../outside.csv'",
        "SELECT * FROM '{inside}/link.csv'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM 'http://127.0.0.1:9/x.parquet'",
        "SELECT getenv('HOME')",
        "SELECT * FROM leak",
        "ATTACH '{outside}'",
        "SET enable_external_access=true",
        "SET lock_configuration=false",
        "SET memory_limit='64GB'",
        "RESET memory_limit",
        "PRAGMA enable_profiling",
        "PRAGMA profiling_output='{outside}'",
        "CALL enable_logging()",
        "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE '{inside}'",
        "USE temp",
    ],
)
def test_a_query_reaches_nothing_but_the_data(
    published: Shop, reader: ProcessReader, tmp_path: Path, sql: str
) -> None:
    leak = [1]
    outside, inside = tmp_path / "outside.csv", published.store.data_root
    outside.write_text("a\n1\n")
    (published.store.root.parent / "outside.csv").write_text("a\n1\n")
    link = inside / "link.csv"
    if not link.is_symlink():
        link.symlink_to(published.store.root.parent / "outside.csv")
    failed = refused(lambda: asked(reader, sql.format(outside=outside, inside=inside)))
    assert failed.kind == "failed"
    assert leak
    assert outside.read_text() == "a\n1\n"
    assert not (inside / "new.parquet").exists()
    assert asked(reader, "SELECT upper('a') AS value") == b'[{"value":"A"}]\n'
    assert asked(reader, "SELECT count(*) AS value FROM sales") == b'[{"value":20000}]\n'


@pytest.mark.parametrize("ending", get_args(Ending))
def test_every_format_fits_into_a_small_share_of_memory(published: Shop, ending: Ending) -> None:
    processes = QueryProcesses(ServeSettings(workers=1, memory_limit="64MB"))
    reader = opened(processes, published)
    assert refused(partial(asked, reader, BOMBS["aggregate"])).kind == "memory"
    sql = "SELECT i::VARCHAR AS value FROM range(200000) a(i)"
    assert len(asked(reader, sql, Form(ending))) > 100_000
    processes.close()


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_fails_within_two_seconds_and_in_little_memory(
    reader: ProcessReader, bomb: str
) -> None:
    failed, seconds = stopped(reader.query(bomb, {}, VALUE, Form("json")), after_seconds=1)
    assert failed.kind in ("memory", "interrupted", "process", "failed")
    assert seconds < 2
    for child in psutil.Process().children():
        assert child.memory_info().rss < 1024 * MIB
    assert psutil.Process().memory_info().rss < 1024 * MIB
    assert asked(reader, "SELECT 1 AS value") == b'[{"value":1}]\n'


def test_a_bomb_is_503_for_its_client_alone(shop: Shop, serve: Serve) -> None:
    number = Parameter("n", "query", "BIGINT", required=True)
    bomb = value_endpoint("list_sum(range($n))", "HUGEINT", number)
    stubborn = endpoint(
        "SELECT levenshtein(repeat('a', $n), repeat('b', $n)) AS value",
        (Column("value", "BIGINT"),),
        number,
        name="stubborn",
        path="/stubborn",
    )
    shop.publish(bomb, stubborn)
    client = serve(query_processes=True, deadline_seconds=1, memory_limit="512MB", workers=2)
    for url, kind in (("/it?n=500000000", "memory"), ("/stubborn?n=150000", "deadline")):
        begun_at = time.monotonic()
        response = client.get(url)
        assert time.monotonic() - begun_at < 2
        assert response.status_code == 503
        assert response.json()["type"] == f"urn:headrace:problem:{kind}"
        assert client.rows("/it?n=10") == [{"value": 45}]


def test_neighbours_of_a_bomb_wait_no_longer(reader: ProcessReader) -> None:
    """One process is kept busy with what has to be killed; the other one answers."""
    quiet = slowest(reader, 200)
    ended = threading.Event()

    def keep_bombing() -> None:
        while not ended.is_set():
            stopped(reader.query(STUBBORN, {}, VALUE, Form("json")), after_seconds=0.1)

    bombing = threading.Thread(target=keep_bombing)
    bombing.start()
    try:
        beside = slowest(reader, 1000)
    finally:
        ended.set()
        bombing.join()
    # Now and then both are being replaced, which takes a third of a second of a core.
    assert beside < max(20 * quiet, 0.25)


def slowest(reader: ProcessReader, count: int) -> float:
    """The 90th percentile of the seconds that small queries take."""
    seconds: list[float] = []
    for _ in range(count):
        begun_at = time.monotonic()
        asked(reader, "SELECT count(*) AS value FROM sales WHERE store_id = $x", x=3)
        seconds.append(time.monotonic() - begun_at)
    return sorted(seconds)[count * 90 // 100]


def test_an_interrupted_query_leaves_its_process_as_it_was(alone: ProcessReader) -> None:
    process = process_of(alone)
    failed, seconds = stopped(alone.query(ENDLESS, {}, VALUE, Form("json")), after_seconds=0.1)
    assert (failed.kind, seconds < 1) == ("interrupted", True)
    assert process_of(alone) == process


def test_what_waits_for_a_process_can_be_interrupted(alone: ProcessReader) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = alone.query(ENDLESS, {}, VALUE, Form("json"))
        running = pool.submit(refused, first.next)
        wait_until(lambda: is_running(alone))
        failed, _ = stopped(
            alone.query("SELECT 1 AS value", {}, VALUE, Form("json")), after_seconds=0.1
        )
        assert (failed.kind, str(failed)) == ("interrupted", "stopped before it ran")
        while not running.done():
            first.interrupt()
        first.close()


def is_running(reader: ProcessReader) -> bool:
    return any(child.running for child in reader._pool._children.values())


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look until it is; for what no event tells."""
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        threading.Event().wait(0.005)


def test_a_query_that_does_not_listen_is_killed_with_its_process(
    alone: ProcessReader, caplog: pytest.LogCaptureFixture
) -> None:
    process = process_of(alone)
    failed, seconds = stopped(alone.query(STUBBORN, {}, VALUE, Form("json")), after_seconds=0.1)
    assert (failed.kind, str(failed)) == ("process", "query process 1 has ended")
    assert seconds < 1.5
    assert process_of(alone) != process
    [record] = caplog.records
    assert record.getMessage() == (
        f"query process 1 ({process.pid}) was killed: its query did not end: {STUBBORN!r}; "
        "another takes its place"
    )


def test_a_process_that_dies_fails_its_query_and_is_replaced(
    alone: ProcessReader, caplog: pytest.LogCaptureFixture
) -> None:
    process = process_of(alone)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(refused, lambda: asked(alone, ENDLESS))
        wait_until(lambda: is_running(alone))
        process.kill()
        failed = running.result(30)
    assert (failed.kind, str(failed)) == ("process", "query process 1 has ended")
    assert asked(alone, "SELECT count(*) AS value FROM sales") == b'[{"value":20000}]\n'
    [record] = caplog.records
    assert record.getMessage() == (
        f"query process 1 ({process.pid}) was killed by SIGKILL while it ran {ENDLESS!r}; "
        "another takes its place"
    )


def test_a_process_that_dies_while_idle_is_replaced_before_anybody_asks(
    alone: ProcessReader,
) -> None:
    for _ in range(2):
        process = process_of(alone)
        process.kill()
        wait_until(partial(is_replaced, alone, process.pid))
    assert asked(alone, "SELECT 1 AS value") == b'[{"value":1}]\n'


def is_replaced(reader: ProcessReader, pid: int) -> bool:
    return bool(pids(reader)) and pid not in pids(reader)


def reader_of(client: Client) -> ProcessReader:
    """What a service reads from."""
    edition = client.service._watcher.acquire()
    assert edition is not None
    client.service._watcher.release(edition)
    assert isinstance(edition.reader, ProcessReader)
    return edition.reader


def pids(reader: ProcessReader) -> list[int]:
    return [child.process.pid for child in reader._pool._children.values()]


def test_a_dead_process_is_503_for_the_client(shop: Shop, serve: Serve) -> None:
    number = Parameter("n", "query", "BIGINT", required=True)
    sql = "(SELECT count(*) FROM range($n) a(i), range(1000) b(j) WHERE i * j % 7 = 3)"
    shop.publish(value_endpoint(sql, "BIGINT", number))
    client = serve(query_processes=True, workers=1)
    assert client.get("/it?n=1").status_code == 200
    child = process_of(reader_of(client))
    before = child.cpu_times().user
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.get, "/it?n=100000000000")
        wait_until(lambda: child.cpu_times().user > before + 0.05)
        child.kill()
        response = answer.result(30)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["type"] == "urn:headrace:problem:ended"
    assert response.json()["detail"] == "The query was ended before it had an answer."
    assert client.get("/it?n=1").status_code == 200


def test_one_more_than_the_queue_holds_is_refused(shop: Shop, serve: Serve) -> None:
    number = Parameter("n", "query", "BIGINT", required=True)
    sql = "(SELECT count(*) FROM range($n) a(i), range(1000) b(j) WHERE i * j % 7 = 3)"
    shop.publish(value_endpoint(sql, "BIGINT", number))
    client = serve(query_processes=True, workers=1, queue=0, deadline_seconds=2)
    assert client.get("/it?n=1").status_code == 200
    child = process_of(reader_of(client))
    before = child.cpu_times().user
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, "/it?n=100000000000")
        wait_until(lambda: child.cpu_times().user > before + 0.05)
        assert client.get("/it?n=2").json()["type"] == "urn:headrace:problem:busy"
        assert first.result(30).json()["type"] == "urn:headrace:problem:deadline"


def test_a_slow_client_keeps_nobody_waiting_and_fills_no_memory(alone: ProcessReader) -> None:
    endless = "SELECT repeat('x', 1000) AS value FROM range(1000000000000)"
    process = process_of(alone)
    slow = [alone.query(endless, {}, VALUE, Form("ndjson")) for _ in range(5)]
    sizes = [len(stream.next()[0]) for stream in slow for _ in range(3)]
    assert min(sizes) > 100_000
    begun_bytes, own_bytes = process.memory_info().rss, psutil.Process().memory_info().rss
    begun_at = process.cpu_times().user
    for _ in range(20):
        assert asked(alone, "SELECT 1 AS value") == b'[{"value":1}]\n'
        assert not slow[0].next()[1]
    assert process.cpu_times().user - begun_at < 5
    assert process.memory_info().rss - begun_bytes < 64 * MIB
    assert psutil.Process().memory_info().rss - own_bytes < 64 * MIB
    for stream in slow:
        stream.close()
    assert process_of(alone) == process


def test_one_enormous_row_comes_in_parts(reader: ProcessReader) -> None:
    stream = reader.query("SELECT repeat('x', 20000000) AS value", {}, VALUE, Form("json"))
    sizes: list[int] = []
    is_last = False
    while not is_last:
        piece, is_last = stream.next()
        sizes.append(len(piece))
    assert (max(sizes) <= MIB, sum(sizes)) == (True, 20_000_000 + len('[{"value":""}]\n'))


def test_a_closed_query_gives_nothing_more(alone: ProcessReader) -> None:
    stream = alone.query("SELECT i AS value FROM range(10000000) a(i)", {}, VALUE, Form("json"))
    assert not stream.next()[1]
    stream.close()
    stream.close()
    assert refused(stream.next).kind == "interrupted"
    assert asked(alone, "SELECT 1 AS value") == b'[{"value":1}]\n'


def test_a_snapshot_is_dropped_with_what_runs_on_it(
    shop: Shop, alone: ProcessReader, published: Shop
) -> None:
    shop.publish(tables=(shop.table("sales", SALES.format(rows=7)),))
    pool = alone._pool
    second = opened_in(alone, shop)
    assert asked(second, "SELECT count(*) AS value FROM sales") == b'[{"value":7}]\n'
    half_read = second.query("SELECT i AS value FROM range(10000000) a(i)", {}, VALUE, Form("json"))
    half_read.next()
    second.close()
    assert asked(alone, "SELECT count(*) AS value FROM sales") == b'[{"value":20000}]\n'
    assert [child.snapshots for child in pool._children.values()] == [{alone._number}]


def opened_in(reader: ProcessReader, shop: Shop) -> ProcessReader:
    """Another snapshot in the processes of a reader."""
    processes = QueryProcesses(SETTINGS)
    processes._pool = reader._pool
    return opened(processes, shop)


def test_a_snapshot_that_cannot_be_read_is_opened_nowhere(shop: Shop, alone: ProcessReader) -> None:
    shop.publish(tables=(shop.table("sales", SALES.format(rows=7)),))
    [file] = shop.store.data_root.rglob("*.parquet")
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(b"x" * size)
    with pytest.raises(QueryFailed):
        opened_in(alone, shop)
    assert len(alone._pool._snapshots) == 1
    file.unlink()
    with pytest.raises(CorruptObject):
        opened_in(alone, shop)
    assert asked(alone, "SELECT 1 AS value") == b'[{"value":1}]\n'


def test_closing_ends_every_process_and_what_runs_there(published: Shop) -> None:
    processes = QueryProcesses(SETTINGS)
    reader = opened(processes, published)
    children = [psutil.Process(pid) for pid in pids(reader)]
    assert len(children) == 2
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(refused, lambda: asked(reader, ENDLESS))
        wait_until(lambda: is_running(reader))
        processes.close()
        assert running.result(30).kind == "process"
    assert not any(child.is_running() for child in children)
    assert refused(lambda: asked(reader, "SELECT 1 AS value")).kind == "process"
    assert refused(lambda: opened(processes, published)).kind == "process"


def test_signals_of_the_terminal_are_for_the_server(alone: ProcessReader) -> None:
    process = process_of(alone)
    assert os.getpgid(process.pid) != os.getpgid(0)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
    assert process_of(alone) == process


SERVER = """
import sys
from pathlib import Path
from headrace.serve.formats.forms import Ending, Form
from headrace.serve.columnar.query_processes import QueryProcesses
from headrace.serve.settings import ServeSettings
from headrace.store.snapshots import Parameter
from headrace.store.store import Store
store = Store.open(Path(sys.argv[1]))
reader = QueryProcesses(ServeSettings(workers=2)).open(store, store.head("prod"))
print(*[child.process.pid for child in reader._pool._children.values()], flush=True)
reader.query(sys.argv[2], {}, (), Form("json")).next()
"""


def test_no_process_outlives_a_killed_server(published: Shop) -> None:
    """Not even one that is in the midst of a query."""

    def has_ended(child: psutil.Process) -> bool:
        # Who has adopted it may be slow to ask how it ended.
        return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

    command = [sys.executable, "-c", SERVER, str(published.store.root), ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        children = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
        assert len(children) == 2
        wait_until(lambda: max(child.cpu_percent() for child in children) > 50)
        server.kill()
        wait_until(lambda: all(map(has_ended, children)))
