"""What a query process answers to one request after the other, without the process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.serve.columnar.query_frames import (
    DONE,
    FAILED,
    LAST,
    MORE,
    REQUEST,
    Bind,
    Close,
    Drop,
    Ended,
    More,
    Open,
    Query,
    Request,
    Start,
    decode_failure,
    encode,
    receive_frame,
    send_frame,
)
from headrace.serve.columnar.query_process import Running, answer_requests, share_of_memory
from headrace.serve.columnar.snapshot_reader import definitions_of
from headrace.serve.formats.forms import Form
from tests.serve.querying import VALUE
from tests.serve.shop import Shop


class Conversation:
    """The other end of a process's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def tell(self, request: Request) -> None:
        send_frame(self._connection, REQUEST, encode(request))

    def ask(self, request: Request) -> tuple[int, bytes]:
        self.tell(request)
        return receive_frame(self._connection)

    def query(self, number: int, sql: str, snapshot: int = 1) -> tuple[int, bytes]:
        return self.ask(Query(number, snapshot, sql, {}, VALUE, Form("ndjson")))

    def failure(self, request: Request) -> tuple[str, str]:
        kind, payload = self.ask(request)
        assert kind == FAILED, payload
        failed = decode_failure(payload)
        return failed.kind, failed.text


@pytest.fixture
def process(shop: Shop) -> Iterator[Conversation]:
    """A conversation with snapshot 1 open."""
    limits: list[int] = []
    one, other = socket.socketpair()

    def answer() -> None:
        with pytest.raises(Ended):
            answer_requests(other, Running(), limits.append)

    thread = threading.Thread(target=answer)
    thread.start()
    conversation = Conversation(one)
    snapshot = shop.store.snapshot(shop.publish_sales(rows=20))
    definitions = definitions_of(snapshot, shop.store.data_root, 0)
    assert conversation.ask(Start("256MiB", 1, 1, 0)) == (DONE, b"")
    assert conversation.ask(Open(1, definitions, str(shop.store.data_root))) == (DONE, b"")
    # All of the memory, what is around it, pyarrow's libraries, and a thread.
    assert [round(limit / 2**20) for limit in limits] == [256 + 256 + 320 + 16]
    yield conversation
    one.close()
    thread.join()
    other.close()


def test_a_query_is_answered_piece_by_piece(process: Conversation) -> None:
    kind, first = process.query(7, "SELECT i AS value FROM range(10000) a(i)")
    assert kind == MORE
    kind, second = process.ask(More(7))
    assert kind == LAST
    assert first + second == b"".join(b'{"value":%d}\n' % i for i in range(10_000))
    assert process.failure(More(7)) == ("failed", "KeyError: 7")


def test_between_two_pieces_others_are_answered(process: Conversation) -> None:
    process.query(7, "SELECT i AS value FROM range(10000) a(i)")
    assert process.query(8, "SELECT 1 AS value") == (LAST, b'{"value":1}\n')
    assert process.ask(More(7))[0] == LAST


def test_a_closed_query_is_forgotten(process: Conversation) -> None:
    process.query(7, "SELECT i AS value FROM range(10000) a(i)")
    process.tell(Close(7))
    process.tell(Close(7))
    assert process.failure(More(7)) == ("failed", "KeyError: 7")


def test_a_dropped_snapshot_is_forgotten_with_its_queries(process: Conversation) -> None:
    process.query(7, "SELECT i AS value FROM range(10000) a(i)")
    process.tell(Drop(1))
    process.tell(Drop(1))
    assert process.failure(More(7)) == ("failed", "KeyError: 7")
    assert process.failure(Bind(1, "SELECT 1", ())) == ("failed", "KeyError: 1")


def test_a_failure_ends_its_query_and_nothing_else(process: Conversation) -> None:
    kind, payload = process.query(7, "SELECT CAST('x' AS INTEGER) AS value FROM sales")
    assert (kind, decode_failure(payload).kind) == (FAILED, "values")
    assert process.failure(More(7)) == ("failed", "KeyError: 7")
    assert process.query(8, "SELECT count(*) AS value FROM sales") == (LAST, b'{"value":20}\n')


def test_a_snapshot_that_cannot_be_read_is_not_opened(
    process: Conversation, tmp_path: Path
) -> None:
    definition = f"CREATE VIEW broken AS SELECT * FROM read_parquet('{tmp_path}/none.parquet')"
    kind, text = process.failure(Open(2, (definition,), str(tmp_path)))
    assert (kind, text.splitlines()[0]) == (
        "failed",
        f'IOException: IO Error: No files found that match the pattern "{tmp_path}/none.parquet"',
    )
    assert process.failure(Bind(2, "SELECT 1", ())) == ("failed", "KeyError: 2")


@pytest.mark.parametrize(
    ("memory_limit", "processes", "share_bytes"),
    [("1GiB", 1, 2**30), ("1GiB", 4, 2**28), ("2TiB", 2, 2**40), ("512MiB", 2, 2**28)],
)
def test_processes_share_the_memory(memory_limit: str, processes: int, share_bytes: int) -> None:
    assert share_of_memory(memory_limit, processes) == share_bytes


def test_without_a_limit_they_share_most_of_the_machine() -> None:
    alone = share_of_memory("", 1)
    assert 2**28 < share_of_memory("", 2) <= alone // 2
