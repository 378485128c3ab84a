"""headrace with the same rows: writes a project as a user would, builds it, serves it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import HEADRACE, run
from benchmarks.serving.data import CUSTOMERS, DAILY_REVENUE, parquet
from benchmarks.serving.load import get
from benchmarks.serving.peers import Premises, listening
from benchmarks.serving.peers.peer import uvicorn
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port
from benchmarks.workloads import write_files

_SOURCE = """\
files: {files}
key: order_id
columns:
  order_id: bigint
  customer_id: {{type: int, not_null: true}}
  store_id: {{type: int, not_null: true}}
  ordered_on: {{type: date, not_null: true}}
  items: {{type: int, min: 1}}
  amount: {{type: "decimal(10,2)", min: 0}}
  status: {{type: text, accepted: [completed, returned]}}
"""
_KEYED = {
    "customer": """\
/*
path: /customers/{customer_id}
*/
SELECT customer_id, orders, items, revenue, first_order, last_order
FROM customers
WHERE customer_id = $customer_id
""",
    "last_orders": """\
/*
path: /stores/{store_id}/orders
*/
SELECT order_id, customer_id, ordered_on, items, amount, status
FROM orders
WHERE store_id = $store_id
ORDER BY ordered_on DESC, order_id DESC
LIMIT 50
""",
    "months": """\
/*
path: /stores/{store_id}/months
*/
SELECT date_trunc('month', day) AS month, sum(orders) AS orders, sum(revenue) AS revenue
FROM daily_revenue
WHERE store_id = $store_id AND day BETWEEN $since AND $until
GROUP BY 1
ORDER BY 1
""",
}
AGGREGATE = """\
SELECT status, count(*) AS orders, CAST(sum(items) AS BIGINT) AS items, sum(amount) AS revenue
FROM orders
WHERE amount BETWEEN $least AND $most
GROUP BY status
ORDER BY status"""
EXPORT = """\
SELECT order_id, customer_id, store_id, ordered_on, items, amount, status
FROM orders"""
_OTHERS = {
    "totals": f"/*\npath: /totals\nserve: columnar\n*/\n{AGGREGATE}\n",
    "export": f"/*\npath: /export\nserve: columnar\nmax_limit: {{export}}\n*/\n{EXPORT}\n",
}


@dataclass(frozen=True, slots=True)
class Built:
    """A project that is built and published; `copies_seconds` is what its keyed copies took."""

    folder: Path
    run_seconds: float
    copies_seconds: float


def write_project(folder: Path, data: Path, endpoints: Mapping[str, str]) -> None:
    """The project: one source, two models, and what is served of them."""
    shutil.rmtree(folder / "endpoints", ignore_errors=True)
    files = {
        "headrace.toml": 'name = "bench"\nserve.default_access = "public"\n',
        "sources/orders.yaml": _SOURCE.format(files=parquet(data, "orders")),
        "models/customers.sql": f"/*\nkey: customer_id\n*/\n{CUSTOMERS}\n",
        "models/daily_revenue.sql": f"/*\nkey: [store_id, day]\n*/\n{DAILY_REVENUE}\n",
    }
    files |= {f"endpoints/{name}.sql": text for name, text in endpoints.items()}
    write_files(folder, files)


def build(folder: Path, data: Path, export_rows: int) -> Built:
    """The tables first, then the endpoints: the second run does nothing but what they need."""
    shutil.rmtree(folder, ignore_errors=True)
    write_project(folder, data, {})
    tables = run([HEADRACE, "run"], folder)
    others = {name: text.replace("{export}", str(export_rows)) for name, text in _OTHERS.items()}
    write_project(folder, data, others)
    run([HEADRACE, "run"], folder)
    write_project(folder, data, others | _KEYED)
    copies = run([HEADRACE, "run"], folder)
    return Built(folder, tables.wall_seconds, copies.wall_seconds)


def serve(project: Path, premises: Premises, stack: ExitStack, title: str) -> Server:
    """`headrace serve`, as a user starts it."""
    port = free_port()
    arguments = [HEADRACE, "serve", "--port", str(port)]
    command = Command(arguments, project, premises.log(project.name))
    return listening(stack, title, port, command)


def serve_as_asgi(project: Path, premises: Premises, stack: ExitStack, title: str) -> Server:
    """The ASGI application over the same store, under uvicorn."""
    port = free_port()
    arguments = uvicorn(Path(sys.executable), "headrace_asgi:app", port)
    store = {"BENCH_STORE": str(project / ".headrace" / "store")}
    command = Command(arguments, project, premises.log(f"{project.name}-asgi"), store)
    return listening(stack, title, port, command)


def request(question: Question) -> bytes:
    """A question as an HTTP request."""
    if question.shape == "P":
        return get(f"/customers/{question.key}")
    if question.shape == "L":
        return get(f"/stores/{question.key}/orders")
    return get(f"/stores/{question.key}/months?since={question.since}&until={question.until}")
