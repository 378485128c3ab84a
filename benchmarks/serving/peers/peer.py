"""What a peer is: how it is installed, started, and asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.serving.environments import NotHere
from benchmarks.serving.postgres import Cluster
from benchmarks.serving.questions import Question
from benchmarks.serving.servers import Command, Server, started, wait_for

APPS = Path(__file__).parents[1] / "apps"


@dataclass(frozen=True, slots=True)
class Premises:
    """What there is to work with.

    Attributes:
        root: the folder that is kept between runs.
        data: the folder with the rows, below it.
        cluster: the running PostgreSQL with the same rows, where there is one.
        absent: why there is none.
    """

    root: Path
    data: Path
    cluster: Cluster | None = None
    absent: str = ""

    def log(self, name: str) -> Path:
        """Where a server writes what it has to say."""
        return self.root / f"{name}.log"

    def postgres(self) -> Cluster:
        """The running PostgreSQL.

        Raises:
            NotHere: there is none.
        """
        if self.cluster is None:
            raise NotHere(self.absent)
        return self.cluster


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that answers the questions.

    Attributes:
        name: in `--peers`.
        title: in the table.
        factor: how many times as many requests a second headrace must answer.
        install: makes its environment below the kept folder; gives what is started, and its
            version. Raises NotHere.
        start: starts it, until the stack is closed.
        request: a question as an HTTP request.
    """

    name: str
    title: str
    factor: float
    install: Callable[[Path], tuple[Path, str]]
    start: Callable[[Path, Premises, ExitStack], Server]
    request: Callable[[Question], bytes]


def listening(
    stack: ExitStack, title: str, port: int, command: Command, roots: Sequence[int] = ()
) -> Server:
    """A started server, when it listens; `roots` are more processes that work for it."""
    process = stack.enter_context(started(command))
    wait_for(port, process, command.log)
    return Server(title, port, (process.pid, *roots))


def uvicorn(python: Path, app: str, port: int) -> list[str]:
    """uvicorn's command line, with all that makes it fast."""
    fast = ["--loop", "uvloop", "--http", "httptools", "--no-proxy-headers", "--no-server-header"]
    quiet = ["--no-access-log", "--log-level", "warning"]
    where = ["--app-dir", str(APPS), "--port", str(port)]
    return [str(python), "-m", "uvicorn", app, *fast, *quiet, *where]
