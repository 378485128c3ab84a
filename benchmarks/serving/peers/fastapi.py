"""FastAPI over PostgreSQL, twice: written for speed, and as most services are written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.environments import python_environment
from benchmarks.serving.load import get
from benchmarks.serving.peers.peer import Peer, Premises, listening, uvicorn
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_VERSION = "0.165.0"
_SERVER = (f"fastapi=={_VERSION}", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0")
_FAST = (*_SERVER, "asyncpg==0.32.0", "orjson==3.13.0")
_USUAL = (*_SERVER, "asyncpg==0.32.0", "SQLAlchemy[asyncio]==2.1.9")


def _peer(name: str, title: str, factor: float, needs: Sequence[str], app: str) -> Peer:
    def install(root: Path) -> tuple[Path, str]:
        return python_environment(root, name, needs) / "python", _VERSION

    def start(program: Path, premises: Premises, stack: ExitStack) -> Server:
        cluster, port = premises.postgres(), free_port()
        socket = {"BENCH_SOCKET": str(cluster.socket)}
        command = Command(uvicorn(program, app, port), premises.root, premises.log(name), socket)
        return listening(stack, title, port, command, [cluster.pid])

    return Peer(name, title, factor, install, start, _request)


def _request(question: Question) -> bytes:
    if question.shape == "P":
        return get(f"/customers/{question.key}")
    if question.shape == "L":
        return get(f"/stores/{question.key}/orders")
    return get(f"/stores/{question.key}/months?since={question.since}&until={question.until}")


FASTAPI = _peer("fastapi", "FastAPI + asyncpg + PostgreSQL", 8, _FAST, "fastapi_asyncpg:app")
SQLALCHEMY = _peer(
    "sqlalchemy", "FastAPI + SQLAlchemy + PostgreSQL", 8, _USUAL, "fastapi_sqlalchemy:app"
)
