"""Datasette over SQLite: one canned query for each shape, over an immutable, indexed file."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.data import sqlite_file
from benchmarks.serving.environments import python_environment
from benchmarks.serving.load import get
from benchmarks.serving.peers.peer import Peer, Premises, listening
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_TITLE = "Datasette (SQLite)"
_VERSION = "0.65.5"
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
    # It imports pkg_resources, which newer versions of setuptools no longer have.
    needs = (f"datasette=={_VERSION}", "setuptools<81")
    return python_environment(root, "datasette", needs) / "datasette", _VERSION


def _start(program: Path, premises: Premises, stack: ExitStack) -> Server:
    port, settings = free_port(), premises.data / "datasette.json"
    queries = {name: {"sql": sql} for name, sql in _QUERIES.items()}
    settings.write_text(json.dumps({"databases": {"bench": {"queries": queries}}}))
    options = ["--immutable", str(sqlite_file(premises.data)), "--metadata", str(settings)]
    command = [str(program), "serve", *options, "--port", str(port)]
    return listening(
        stack, _TITLE, port, Command(command, premises.data, premises.log("datasette"))
    )


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
