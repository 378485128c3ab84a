"""headrace with the same rows: writes a project as a user would, builds it, serves it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.issuing import AUDIENCE, URL
from benchmarks.measuring import HEADRACE, run
from benchmarks.serving.data import CUSTOMERS, DAILY_REVENUE, parquet
from benchmarks.serving.peers import Premises, listening
from benchmarks.serving.peers.peer import uvicorn
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port
from benchmarks.workloads import write_files

# Of the one who may ask for more than what is public: a role, and whose rows are theirs.
READER, TENANT = "reader", "north"
KEY_SET = "jwks.json"
_SETTINGS = f"""\
name = "bench"
serve.default_access = "public"

[auth.issuers.bench]
url = "{URL}"
audience = "{AUDIENCE}"
jwks = "file:{KEY_SET}"
claims = {{tenant = "tenant"}}
"""
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
READERS, OWN = "readers_", "own_"
OWN_ENDPOINTS = {"P": f"{OWN}customer", "A": f"{OWN}months"}
# Another table of the same rows, of which everybody sees those of their tenant.
_OWN_MODEL = """\
/*
key: {key}
rows: tenant = $auth.tenant
*/
SELECT '{tenant}' AS tenant, * FROM {table}
"""
_OWN_MODELS = {
    f"models/{OWN}{table}.sql": _OWN_MODEL.format(key=key, table=table, tenant=TENANT)
    for table, key in {"customers": "customer_id", "daily_revenue": "[store_id, day]"}.items()
}


def guarded(text: str, prefix: str) -> str:
    """An endpoint that only readers may ask; its path begins with `prefix`."""
    return text.replace("path: /", f"access: [{READER}]\npath: /{prefix}", 1)


def _for_readers(endpoints: Mapping[str, str]) -> dict[str, str]:
    return {f"{READERS}{name}": guarded(text, READERS) for name, text in endpoints.items()}


def _own_endpoints() -> dict[str, str]:
    names = [name.removeprefix(OWN) for name in OWN_ENDPOINTS.values()]
    return {
        f"{OWN}{name}": guarded(_KEYED[name], OWN).replace("\nFROM ", f"\nFROM {OWN}")
        for name in names
    }


@dataclass(frozen=True, slots=True)
class Built:
    """A project that is built and published; `copies_seconds` is what its keyed copies took."""

    folder: Path
    run_seconds: float
    copies_seconds: float


def write_project(folder: Path, data: Path, endpoints: Mapping[str, str]) -> None:
    """The project: one source, two models, whom it lets in, and what is served."""
    shutil.rmtree(folder / "endpoints", ignore_errors=True)
    files = {
        "headrace.toml": _SETTINGS,
        "sources/orders.yaml": _SOURCE.format(files=parquet(data, "orders")),
        "models/customers.sql": f"/*\nkey: customer_id\n*/\n{CUSTOMERS}\n",
        "models/daily_revenue.sql": f"/*\nkey: [store_id, day]\n*/\n{DAILY_REVENUE}\n",
    }
    files |= {f"endpoints/{name}.sql": text for name, text in endpoints.items()}
    write_files(folder, files)


def build(folder: Path, data: Path, export_rows: int) -> Built:
    """The tables first, then the endpoints: each run does nothing but what is new.

    What readers may ask has the copies of what everybody may ask; what is theirs has its own.
    """
    shutil.rmtree(folder, ignore_errors=True)
    write_project(folder, data, {})
    tables = run([HEADRACE, "run"], folder)
    others = {name: text.replace("{export}", str(export_rows)) for name, text in _OTHERS.items()}
    write_project(folder, data, others)
    run([HEADRACE, "run"], folder)
    everybody = others | _KEYED
    write_project(folder, data, everybody)
    copies = run([HEADRACE, "run"], folder)
    readers = _for_readers({"totals": others["totals"], **_KEYED})
    write_project(folder, data, everybody | readers | _own_endpoints())
    write_files(folder, _OWN_MODELS)
    run([HEADRACE, "run"], folder)
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


def target(question: Question) -> str:
    """A question as the target of a request."""
    if question.shape == "P":
        return f"/customers/{question.key}"
    if question.shape == "L":
        return f"/stores/{question.key}/orders"
    return f"/stores/{question.key}/months?since={question.since}&until={question.until}"
