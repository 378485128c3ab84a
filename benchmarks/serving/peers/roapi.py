"""ROAPI over the Parquet files, held in memory: filters for P and L, SQL for A."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.data import TABLES, parquet
from benchmarks.serving.environments import python_environment
from benchmarks.serving.load import get, post
from benchmarks.serving.peers.peer import Peer, Premises, listening
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_TITLE = "ROAPI (in memory)"
_VERSION = "0.12.7"
_LAST_ORDERS = (
    "/api/tables/orders?columns=order_id,customer_id,ordered_on,items,amount,status"
    "&filter[store_id]={}&sort=-ordered_on,-order_id&limit=50"
)
_MONTHS = """\
SELECT CAST(date_trunc('month', day) AS DATE) AS month, sum(orders) AS orders,
  sum(revenue) AS revenue
FROM daily_revenue WHERE store_id = {0.key} AND day BETWEEN '{0.since}' AND '{0.until}'
GROUP BY 1 ORDER BY 1"""


def _install(root: Path) -> tuple[Path, str]:
    return python_environment(root, "roapi", (f"roapi=={_VERSION}",)) / "roapi", _VERSION


def _start(program: Path, premises: Premises, stack: ExitStack) -> Server:
    port = free_port()
    command = [str(program), "--addr-http", f"127.0.0.1:{port}"]
    for table in TABLES:
        path = parquet(premises.data, table)
        command += ["--table", f"{table}={path},format=parquet,use_memory_table=true"]
    # Its other server takes a fixed port unless it is told.
    command += ["--addr-postgres", f"127.0.0.1:{free_port()}"]
    quiet = {"RUST_LOG": "error"}
    started = Command(command, premises.data, premises.log("roapi"), quiet)
    return listening(stack, _TITLE, port, started)


def _request(question: Question) -> bytes:
    if question.shape == "P":
        return get(f"/api/tables/customers?filter[customer_id]={question.key}")
    if question.shape == "L":
        return get(_LAST_ORDERS.format(question.key))
    return post("/api/sql", _MONTHS.format(question))


ROAPI = Peer("roapi", _TITLE, 20, _install, _start, _request)
