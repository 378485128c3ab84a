"""Queries in threads of the server: pieces, failures, and what is given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from headrace.serve.columnar.in_process import InProcess, InProcessReader
from headrace.serve.columnar.queries import QueryFailed, within
from headrace.serve.formats.forms import Form
from headrace.serve.settings import DEFAULT_SETTINGS, ServeSettings
from tests.serve.querying import ENDLESS, VALUE, asked, refused, stopped, whole
from tests.serve.shop import Shop


@pytest.fixture
def reader(shop: Shop) -> Iterator[InProcessReader]:
    reader = InProcess(DEFAULT_SETTINGS).open(shop.store, shop.publish_sales(rows=20))
    yield reader
    reader.close()


def test_a_small_answer_is_one_piece(reader: InProcessReader) -> None:
    stream = reader.query("SELECT count(*) AS value FROM sales", {}, VALUE, Form("json"))
    assert stream.next() == (b'[{"value":20}]\n', True)
    assert reader._reader.cursors._idle == [stream._stream._cursor]


def test_a_large_answer_is_many_pieces(reader: InProcessReader) -> None:
    stream = reader.query("SELECT i AS value FROM range(100000) a(i)", {}, VALUE, Form("ndjson"))
    first, is_last = stream.next()
    assert (len(first) >= 64 * 1024, is_last) == (True, False)
    lines = (first + whole(stream)).splitlines()
    assert lines == [b'{"value":%d}' % i for i in range(100_000)]


def test_a_query_that_has_not_ended_leaves_no_cursor_behind(reader: InProcessReader) -> None:
    stream = reader.query("SELECT * FROM range(1000000000000) a(value)", {}, VALUE, Form("json"))
    stream.next()
    stream.close()
    stream.close()
    assert reader._reader.cursors._idle == []
    assert refused(stream.next).kind == "interrupted"


def test_a_query_that_failed_leaves_no_cursor_behind(reader: InProcessReader) -> None:
    stream = reader.query("SELECT nothing_there() AS value", {}, VALUE, Form("json"))
    assert refused(stream.next).kind == "failed"
    stream.close()
    assert reader._reader.cursors._idle == []


def test_one_that_never_began_gives_its_cursor_back(reader: InProcessReader) -> None:
    stream = reader.query("SELECT 1 AS value", {}, VALUE, Form("json"))
    stream.close()
    assert len(reader._reader.cursors._idle) == 1


def test_a_query_can_be_interrupted(reader: InProcessReader) -> None:
    stream = reader.query(ENDLESS, {}, VALUE, Form("json"))
    failed, seconds = stopped(stream, after_seconds=0.1)
    assert (failed.kind, seconds < 5) == ("interrupted", True)


def test_a_snapshot_is_closed_although_a_query_runs_on_it(shop: Shop) -> None:
    """The query ends with it, and whoever asked is told."""
    reader = InProcess(ServeSettings()).open(shop.store, shop.publish_sales())
    stream = reader.query(ENDLESS, {}, VALUE, Form("json"))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(refused, stream.next)
        while not stream._stream._busy.locked():
            pass
        reader.close()
        assert answer.result(10).kind == "interrupted"
    with pytest.raises(duckdb.ConnectionException):
        reader.local().cursor()


def test_closing_waits_for_nothing(reader: InProcessReader) -> None:
    stream = reader.query(ENDLESS, {}, VALUE, Form("json"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(refused, stream.next)
        while stream._stream._state == "new":
            threading.Event().wait(0.001)
        stream.close()
        while not running.done():
            stream.interrupt()
        assert running.result().kind == "interrupted"
    assert stream._stream._state == "closed"


def test_the_whole_answer_has_a_deadline(reader: InProcessReader) -> None:
    stream = reader.query(ENDLESS, {}, VALUE, Form("json"))
    with pytest.raises(QueryFailed) as caught, within(0.05, stream):
        stream.next()
    assert caught.value.kind == "interrupted"
    assert refused(stream.next).kind == "interrupted"


def test_what_is_in_time_is_not_interrupted(reader: InProcessReader) -> None:
    stream = reader.query("SELECT 1 AS value", {}, VALUE, Form("json"))
    with within(60, stream):
        assert stream.next() == (b'[{"value":1}]\n', True)


def test_a_snapshot_that_cannot_be_read_is_not_opened(shop: Shop) -> None:
    ref = shop.publish_sales(rows=20)
    [file] = shop.store.data_root.rglob("*.parquet")
    size = file.stat().st_size
    file.unlink()
    file.write_bytes(b"x" * size)
    assert refused(lambda: InProcess(ServeSettings()).open(shop.store, ref)).kind == "failed"


def test_the_columns_of_a_query_are_bound(reader: InProcessReader) -> None:
    assert reader.fields("SELECT day, 1 AS n FROM sales WHERE store_id = $x", {"x"}) == ["day", "n"]
    assert refused(lambda: reader.fields("SELECT nothing", ())).kind == "failed"
    assert asked(reader, "SELECT 1 AS value") == b'[{"value":1}]\n'
