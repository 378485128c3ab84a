"""Supervises server processes: takes a listening socket and a command that serves on it, keeps as
many of them running as were asked for, replaces them all on a deploy, and ends with them.

The socket is the parent's, so connections wait in it while one process takes over from another.
Processes are started anew rather than forked: a deploy is for new code, which only a new
interpreter reads, and no thread, lock or engine of one process is ever half of another's.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from headrace.serve.server.listening import let_nobody_connect

_LOG = logging.getLogger("headrace.serve.server.supervising")

STARTED, READY = b"started\n", b"ready\n"
INTERRUPTED = 130

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_REPORT_BYTES = 4096
# How long before the end of a lame duck nobody connects any more: who has is accepted by then.
_QUIET_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Supervision:
    """How server processes are looked after.

    Attributes:
        processes: how many answer at the same time.
        ready_seconds: how long those of a deploy may take until they are ready.
        lame_duck_seconds: how long one that was told to end takes new connections.
        end_seconds: how long one that was told to end may take before it is killed.
        stable_seconds: one that ends by itself sooner than this has failed to start.
        first_wait_seconds: before one that failed to start is started again; the wait doubles with
            each further failure.
        longest_wait_seconds: where the wait stops to double.
    """

    processes: int = 1
    ready_seconds: float = 60.0
    lame_duck_seconds: float = 2.0
    end_seconds: float = 15.0
    stable_seconds: float = 10.0
    first_wait_seconds: float = 0.1
    longest_wait_seconds: float = 30.0

    def wait_seconds(self, failures: int) -> float:
        """How long to wait after so many failures to start, one after the other."""
        doubled = self.first_wait_seconds * 2.0 ** min(failures - 1, 30)
        return min(doubled, self.longest_wait_seconds) if failures else 0.0


@dataclass(slots=True)
class Child:
    """A server process. `told_at` is when it was told to end, by the monotonic clock."""

    process: subprocess.Popen[bytes]
    report_fd: int
    generation: int
    born_at: float
    has_started: bool = False
    is_ready: bool = False
    told_at: float | None = None

    def tell(self, number: int) -> None:
        """Send a signal that ends it, sooner or later."""
        self.told_at = self.told_at or time.monotonic()
        self.process.send_signal(number)


@dataclass(slots=True)
class Deploy:
    """The generation that is to take over, and when it began to start."""

    generation: int
    since: float
    again: bool = False


@dataclass(slots=True)
class _State:
    children: list[Child] = field(default_factory=list)
    generation: int = 0
    deploy: Deploy | None = None
    respawns: list[float] = field(default_factory=list)
    failures: int = 0
    has_started: bool = False
    seen: set[int] = field(default_factory=set)
    quiet_at: float | None = None
    exit_code: int = 0


class Supervisor:
    """Runs in the main thread of a process that has no other thread."""

    def __init__(
        self, command: Sequence[str], listener: socket.socket, supervision: Supervision
    ) -> None:
        """Start nothing yet.

        Args:
            command: serves; it is given `--inherited LISTENER,LIFE,REPORT`, three file descriptors:
                the socket; a pipe that ends when this process does; and a pipe to write `STARTED`
                and `READY` to.
            listener: what every server process accepts from.
            supervision: how many of them, and how patiently.
        """
        self._command = list(command)
        self._listener = listener
        self._supervision = supervision
        self._state = _State()
        self._selector = selectors.DefaultSelector()
        self._life: tuple[int, int] = (-1, -1)
        self._has_terminal = _has_terminal()

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT, and then until every process has ended.

        Returns:
            The exit code: 0, 130 after SIGINT, 1 when it was forced or could not start.
        """
        # Nobody ever writes to it: a child reads its end when this process is gone, however.
        self._life = os.pipe()
        try:
            with self._listening_to_signals() as signals:
                for _ in range(self._supervision.processes):
                    self._start(self._state.generation)
                while self._state.children or self._state.respawns:
                    self._wait(signals)
        finally:
            for child in self._state.children:
                child.process.kill()
                child.process.wait()
            self._selector.close()
            for each in self._life:
                os.close(each)
        return self._state.exit_code

    # What happens

    def _wait(self, signals: socket.socket) -> None:
        """Wait for the next thing to happen, and see to it."""
        for key, _ in self._selector.select(self._seconds_until_due()):
            if key.fileobj is signals:
                for number in signals.recv(_REPORT_BYTES):
                    self._on_signal(number)
            else:
                self._on_report(key.data)
        for child in list(self._state.children):
            if child.process.poll() is not None:
                self._on_end(child)
        self._on_time(time.monotonic())

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._has_terminal and not _has_terminal():
            number = signal.SIGTERM
        if number == signal.SIGHUP:
            self._deploy()
        elif number != signal.SIGCHLD:
            self._end(number)

    def _on_report(self, child: Child) -> None:
        report = os.read(child.report_fd, _REPORT_BYTES)
        if not report:
            self._selector.unregister(child.report_fd)
        child.has_started |= STARTED in report
        if READY in report:
            child.is_ready = True
            _LOG.info("process %d is ready", child.process.pid)
        self._state.has_started |= child.has_started
        self._take_over()

    def _on_end(self, child: Child) -> None:
        self._forget(child)
        deploy = self._state.deploy
        if child.told_at is not None or self._state.seen:
            return
        if deploy is not None and child.generation == deploy.generation:
            self._abandon(f"a new one ended before it was ready ({_how(child.process)})")
        elif not self._state.has_started:
            _LOG.error("no server process could start (%s)", _how(child.process))
            self._state.exit_code = 1
            self._end(signal.SIGTERM)
        else:
            self._respawn(child)

    def _on_time(self, now: float) -> None:
        """Do what is due."""
        due = [at for at in self._state.respawns if at <= now]
        self._state.respawns = [at for at in self._state.respawns if at > now]
        for _ in due:
            self._start(self._state.generation)
        if self._state.quiet_at is not None and now >= self._state.quiet_at:
            self._state.quiet_at = None
            let_nobody_connect(self._listener)
            # When the last process has closed it, too, who connects is refused, not left waiting.
            self._listener.close()
        deploy = self._state.deploy
        if deploy is not None and now >= deploy.since + self._supervision.ready_seconds:
            limit = self._supervision.ready_seconds
            self._abandon(f"the new ones were not ready within {limit:g} s")
        for child in self._state.children:
            if child.told_at is not None and now >= child.told_at + self._supervision.end_seconds:
                _LOG.error("process %d did not end in time: it is killed", child.process.pid)
                child.process.kill()

    def _seconds_until_due(self) -> float | None:
        told = [each.told_at for each in self._state.children if each.told_at is not None]
        due = self._state.respawns + [at + self._supervision.end_seconds for at in told]
        if self._state.quiet_at is not None:
            due.append(self._state.quiet_at)
        if self._state.deploy is not None:
            due.append(self._state.deploy.since + self._supervision.ready_seconds)
        return max(0.0, min(due) - time.monotonic()) if due else None

    # What is done about it

    def _start(self, generation: int) -> None:
        ours, theirs = os.pipe()
        inherited = (self._listener.fileno(), self._life[0], theirs)
        # A group of its own: Ctrl-C in a terminal reaches this process alone, which passes it on.
        process = subprocess.Popen(  # noqa: S603  # our own command
            [*self._command, "--inherited", ",".join(map(str, inherited))],
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        os.close(theirs)
        child = Child(process, ours, generation, time.monotonic())
        self._state.children.append(child)
        self._selector.register(ours, selectors.EVENT_READ, child)

    def _forget(self, child: Child) -> None:
        self._state.children.remove(child)
        with suppress(KeyError):
            self._selector.unregister(child.report_fd)
        os.close(child.report_fd)

    def _respawn(self, child: Child) -> None:
        state, now = self._state, time.monotonic()
        is_stable = now - child.born_at >= self._supervision.stable_seconds
        state.failures = 0 if is_stable or not child.process.returncode else state.failures + 1
        wait_seconds = self._supervision.wait_seconds(state.failures)
        state.respawns.append(now + wait_seconds)
        _LOG.error(
            "process %d ended by itself (%s); another one is started%s",
            child.process.pid,
            _how(child.process),
            f" in {wait_seconds:g} s: {state.failures} in a row" if state.failures else "",
        )

    def _deploy(self) -> None:
        state = self._state
        if state.seen:
            return
        if state.deploy is not None:
            state.deploy.again = True
            return
        newest = max([state.generation, *(each.generation for each in state.children)])
        state.deploy = Deploy(newest + 1, time.monotonic())
        _LOG.info("deploy: the new server processes are starting")
        for _ in range(self._supervision.processes):
            self._start(state.deploy.generation)

    def _take_over(self) -> None:
        """Let the new ones serve alone as soon as all of them are ready."""
        state, deploy = self._state, self._state.deploy
        if deploy is None:
            return
        new = [each for each in state.children if each.generation == deploy.generation]
        if len(new) < self._supervision.processes or not all(each.is_ready for each in new):
            return
        _LOG.info("deploy: the new server processes are ready; the old ones finish their answers")
        state.generation, state.respawns, state.failures = deploy.generation, [], 0
        for child in state.children:
            if child not in new and child.told_at is None:
                child.tell(signal.SIGTERM)
        self._finish(deploy)

    def _abandon(self, reason: str) -> None:
        deploy = self._state.deploy
        assert deploy is not None
        _LOG.error("deploy failed: %s; the old server processes go on", reason)
        for child in self._state.children:
            if child.generation == deploy.generation:
                child.tell(signal.SIGTERM)
        self._finish(deploy)

    def _finish(self, deploy: Deploy) -> None:
        self._state.deploy = None
        if deploy.again:
            self._deploy()

    def _end(self, number: int) -> None:
        """Pass the signal on; the same one again ends everything at once."""
        state = self._state
        is_forced = number in state.seen
        state.seen.add(number)
        state.deploy, state.respawns = None, []
        if is_forced:
            state.exit_code = 1
        elif number == signal.SIGINT:
            state.exit_code = INTERRUPTED
        if state.seen == {signal.SIGTERM} and not is_forced:
            state.quiet_at = time.monotonic() + self._supervision.lame_duck_seconds - _QUIET_SECONDS
        else:
            self._listener.close()
        for child in state.children:
            child.tell(signal.SIGKILL if is_forced else number)

    @contextmanager
    def _listening_to_signals(self) -> Iterator[socket.socket]:
        """Have the numbers of signals written to a socket, until the block ends."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        handlers = {each: signal.signal(each, lambda *_: None) for each in _SIGNALS}
        self._selector.register(ours, selectors.EVENT_READ)
        try:
            yield ours
        finally:
            for each, handler in handlers.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(before)
            ours.close()
            theirs.close()


def _how(process: subprocess.Popen[bytes]) -> str:
    """How a process has ended, in words."""
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _has_terminal() -> bool:
    """Whether this process can be hung up on: its SIGHUP is a deploy as long as it was not."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
