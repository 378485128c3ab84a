"""FastAPI with asyncpg over PostgreSQL, under uvicorn with uvloop, httptools and orjson."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from benchmarks.serving.environments import python_environment
from benchmarks.serving.load import get
from benchmarks.serving.peers.peer import Peer, Premises, listening, uvicorn
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, free_port

_TITLE = "FastAPI + asyncpg + PostgreSQL"
_NEEDS = (
    *("fastapi==0.165.0", "uvicorn==0.54.0", "uvloop==0.23.0", "httptools==0.9.0"),
    *("asyncpg==0.32.0", "orjson==3.13.0"),
)


def _install(root: Path) -> tuple[Path, str]:
    return python_environment(root, "fastapi", _NEEDS) / "python", "0.165.0, 0.32.0"


def _start(program: Path, premises: Premises, stack: ExitStack) -> Server:
    cluster, port = premises.postgres(), free_port()
    command = Command(
        uvicorn(program, "fastapi_asyncpg:app", port),
        premises.root,
        premises.log("fastapi"),
        {"BENCH_SOCKET": str(cluster.socket)},
    )
    return listening(stack, _TITLE, port, command, [cluster.pid])


def _request(question: Question) -> bytes:
    if question.shape == "P":
        return get(f"/customers/{question.key}")
    if question.shape == "L":
        return get(f"/stores/{question.key}/orders")
    return get(f"/stores/{question.key}/months?since={question.since}&until={question.until}")


FASTAPI = Peer("fastapi", _TITLE, 8, _install, _start, _request)
