"""One query process as its server sees it: started, asked, interrupted, killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from headrace.serve.columnar.queries import QueryFailed
from headrace.serve.columnar.query_frames import (
    FAILED,
    LARGEST_REPLY_BYTES,
    REQUEST,
    Ended,
    Request,
    decode_failure,
    encode,
    receive_frame,
    send_frame,
    send_interrupt,
)

_MODULE = "headrace.serve.columnar.query_process"
# The limit counts addresses, whether or not there is memory behind them: glibc takes 64 MiB for
# each thread, Arrow's allocator 1 GiB at once, and numpy, which comes with it, starts threads.
_SPARING = {
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass(slots=True, eq=False)
class QueryChild:
    """A query process. One thread at a time may `ask`; who that is, the pool decides.

    Attributes:
        number: its place among the processes, from 1.
        process: the process itself.
        requests, interrupts: this side's ends of its sockets.
        is_busy: somebody asks.
        snapshots: those that are open there.
        errands: requests without a reply, which the next one who asks sends first.
        running: the number of the query that it runs; 0 for none.
        sql: what it runs, for the log.
        is_worn: it has too little memory left, and is to be replaced.
        is_dead: it has ended, or is about to.
        killed: why this side killed it; "" as long as it has not.
    """

    number: int
    process: subprocess.Popen[bytes]
    requests: socket.socket
    interrupts: socket.socket
    started_at: float = field(default_factory=time.monotonic)
    is_busy: bool = True
    snapshots: set[int] = field(default_factory=set)
    errands: deque[Request] = field(default_factory=deque)
    running: int = 0
    sql: str = ""
    is_worn: bool = False
    is_dead: bool = False
    killed: str = ""

    @classmethod
    def spawn(cls, number: int) -> QueryChild:
        """Start a process; it is busy until it has been told its limits.

        Raises:
            OSError: no process can be started.
        """
        requests, its_requests = socket.socketpair()
        interrupts, its_interrupts = socket.socketpair()
        with its_requests, its_interrupts:
            numbers = (its_requests.fileno(), its_interrupts.fileno())
            try:
                process = subprocess.Popen(  # noqa: S603 - this Python, and a module of ours
                    [sys.executable, "-P", "-m", _MODULE, *map(str, numbers)],
                    pass_fds=numbers,
                    stdin=subprocess.DEVNULL,
                    env=_environment(),
                    # Out of the terminal's group: Ctrl-C is for the server.
                    process_group=0,
                )
            except OSError:
                requests.close()
                interrupts.close()
                raise
        return cls(number, process, requests, interrupts)

    def ask(self, request: Request, within_seconds: float | None = None) -> tuple[int, bytes]:
        """Kind and bytes of the reply; errands go first.

        Args:
            request: one that has a reply.
            within_seconds: when there is none so long, the process is killed; None waits for ever.

        Raises:
            QueryFailed: there is no answer; or the process has ended.
        """
        self.requests.settimeout(within_seconds)
        try:
            self.run_errands()
            send_frame(self.requests, REQUEST, encode(request))
            kind, payload = receive_frame(self.requests, LARGEST_REPLY_BYTES)
        except TimeoutError as exc:
            self.kill(f"no reply within {within_seconds:g} s")
            raise QueryFailed("process", f"query process {self.number} does not reply") from exc
        except (Ended, OSError) as exc:
            self.is_dead = True
            # It may still be there, when what it says makes no sense.
            self.process.kill()
            raise QueryFailed("process", f"query process {self.number} has ended") from exc
        if kind != FAILED:
            return kind, payload
        failure = decode_failure(payload)
        self.is_worn = self.is_worn or failure.is_worn
        raise QueryFailed(failure.kind, failure.text)

    def run_errands(self) -> None:
        """Send what has no reply. Raises OSError when the process has ended."""
        while self.errands:
            send_frame(self.requests, REQUEST, encode(self.errands.popleft()))

    def interrupt(self, query: int) -> None:
        """Ask for the end of a query, if it is the one that runs."""
        with suppress(OSError):
            send_interrupt(self.interrupts, query)

    def kill(self, why: str) -> None:
        """End the process at once; whoever asks it gets a QueryFailed."""
        self.killed = self.killed or why
        self.is_dead = True
        self.process.kill()

    def shut(self) -> None:
        """Close this side's ends of the sockets."""
        self.requests.close()
        self.interrupts.close()

    def ending(self) -> str:
        """How the process has ended, for the log."""
        code = self.process.returncode
        if code is not None and code < 0:
            with suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}"
        return f"ended with code {code}"


def _environment() -> dict[str, str]:
    paths = [path for path in sys.path if path]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)),
        **_SPARING,
    }
