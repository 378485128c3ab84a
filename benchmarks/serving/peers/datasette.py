"""Datasette over SQLite: one canned query for each shape, over an immutable, indexed file."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.data import sqlite_file
from benchmarks.serving.environments import python_environment
from benchmarks.serving.load import get
from benchmarks.serving.peers.peer import Peer, Premises, listening, uvicorn
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_TITLE = "Datasette (SQLite)"
_VERSION = "0.65.5"
_NEEDS = (
    *(f"datasette=={_VERSION}", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
    "setuptools<81",  # it imports pkg_resources, which newer versions no longer have
)
_QUERIES = {
    "customer": """\
SELECT customer_id, orders, items, revenue, first_order, last_order
FROM customers WHERE customer_id = :customer_id""",
    "last_orders": """\
SELECT order_id, customer_id, ordered_on, items, amount, status
FROM orders WHERE store_id = :store_id ORDER BY ordered_on DESC, order_id DESC LIMIT 50""",
    "months": """\
SELECT substr(day, 1, 7) || '-01' AS month, sum(orders) AS orders, sum(revenue) AS revenue
FROM daily_revenue WHERE store_id = :store_id AND day BETWEEN :since AND :until
GROUP BY 1 ORDER BY 1""",
}


def _install(root: Path) -> tuple[Path, str]:
    return python_environment(root, "datasette", _NEEDS) / "python", _VERSION


def _start(program: Path, premises: Premises, stack: ExitStack) -> Server:
    port = free_port()
    queries = {name: {"sql": sql} for name, sql in _QUERIES.items()}
    environment = {
        "BENCH_FILE": str(sqlite_file(premises.data)),
        "BENCH_METADATA": json.dumps({"databases": {"bench": {"queries": queries}}}),
    }
    arguments = uvicorn(program, "datasette_app:app", port)
    command = Command(arguments, premises.data, premises.log("datasette"), environment)
    return listening(stack, _TITLE, port, command)


def _request(question: Question) -> bytes:
    if question.shape == "P":
        return get(f"/bench/customer.json?_shape=array&customer_id={question.key}")
    if question.shape == "L":
        return get(f"/bench/last_orders.json?_shape=array&store_id={question.key}")
    return get(
        f"/bench/months.json?_shape=array&store_id={question.key}"
        f"&since={question.since}&until={question.until}"
    )


DATASETTE = Peer("datasette", _TITLE, 20, _install, _start, _request)
