"""`headrace bench`: takes endpoints, asks a server for them, shows how fast it answers, and why."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click

from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.base.secrets import read_secret
from headrace.base.sizes import size
from headrace.benching.client import Address
from headrace.benching.drawing import Drawn, draw
from headrace.benching.measuring import Figures, Load, Measured, measure
from headrace.benching.proposals import named, proposals
from headrace.benching.sampling import Sampler, sampling
from headrace.benching.servers import asked, is_loopback, require_loopback, started
from headrace.cli.explain import find_endpoint
from headrace.cli.opening import Opened, Published, open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import (
    Align,
    count,
    counted,
    cut,
    faint,
    heading,
    print_json,
    table,
    warned,
)
from headrace.serve.asking.parameters import paging_parameters
from headrace.store.snapshots import EndpointContract

FAILED = 1

_SAMPLED_ROWS = 20_000
# Above that, what is measured is the client.
_CLIENT_BUSY = 0.8
_SHOWN_COLUMNS = 60
_HEADERS = (
    "endpoint",
    "access path",
    "asked",
    "requests",
    "requests/s",
    "p50",
    "p99",
    "answer",
    "errors",
)
_SIDES: tuple[Align, ...] = (
    "left",
    "left",
    "left",
    "right",
    "right",
    "right",
    "right",
    "right",
    "left",
)


@dataclass(frozen=True, slots=True)
class Task:
    """What to measure: `values` are those that the user gave for parameters."""

    published: Published
    contracts: list[EndpointContract]
    values: Mapping[str, Sequence[str]]
    load: Load
    seed: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured at an address, and what could not be."""

    task: Task
    address: Address
    measured: list[Measured]
    skipped: list[Drawn]


@click.command(name="bench")
@click.argument("endpoints", nargs=-1)
@click.option(
    "--param",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Ask for this value of a parameter; repeat it for more values, or parameters.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Requests that are under way at the same time.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 60),
    default=3.0,
    show_default=True,
    help="For how long each endpoint is asked, for the first time and again.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=1,
    show_default=True,
    help="The same seed asks for the same.",
)
@click.option("--url", metavar="URL", help="Measure a running server instead of one of its own.")
@click.option(
    "--key",
    "reference",
    metavar="REFERENCE",
    help="Ask with an API key or a token: env:NAME or file:PATH says where it is.",
)
@click.option("--allow-remote", is_flag=True, help="Let --url be on another machine.")
@environment_option
@project_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    endpoints: tuple[str, ...],
    given: tuple[str, ...],
    connections: int,
    seconds: float,
    seed: int,
    url: str | None,
    reference: str | None,
    allow_remote: bool,
    environment: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Measure how fast published ENDPOINTS (names or paths; by default all) are answered, and why.

    It serves the published snapshot for itself, and asks with values from the data. The exit code
    is 1 when an answer was an error.
    """
    opened = open_project(folder)
    published = opened.published(environment)
    chosen = {each.name: each for each in (find_endpoint(published, each) for each in endpoints)}
    contracts = list(chosen.values()) or list(published.snapshot.manifest.endpoints)
    key = None if reference is None else read_secret(reference, "--key")
    address = None if url is None else _address(url, allow_remote=allow_remote)
    if key is not None and address is not None:
        _require_private(address)
    if not contracts:
        _show_nothing(as_json=as_json)
        return
    values = _values(given, contracts)
    task = Task(published, contracts, values, Load(connections, seconds), seed)
    store = opened.store
    with (
        _ending_as_by_ctrl_c(signal.SIGTERM),
        store.pin(published.ref, holder="headrace bench"),
        sampling(published.snapshot, store.data_root, seed, _SAMPLED_ROWS) as sampler,
        _server(opened, published, address) as server,
    ):
        report = _measured(task, server._replace(key=key), sampler)
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if not all(each.is_good for each in report.measured):
        ctx.exit(FAILED)


def _values(given: Sequence[str], contracts: Sequence[EndpointContract]) -> dict[str, list[str]]:
    """Parameter -> the texts that the user gave for it.

    Raises:
        UsageError: one has no name, or no endpoint has a parameter of that name.
    """
    known = {
        parameter.name
        for contract in contracts
        for parameter in (*contract.parameters, *paging_parameters(contract))
    }
    values: dict[str, list[str]] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise UsageError(f"--param: found {each!r}; expected `NAME=VALUE`")
        if name not in known:
            hint = near_miss(name, known)
            raise UsageError(
                f"--param {each}: no endpoint that is measured has a parameter `{name}`; "
                f"expected one of {listed(sorted(known))}" + (f"; {hint}" if hint else "")
            )
        values.setdefault(name, []).append(text)
    return values


def _address(url: str, *, allow_remote: bool) -> Address:
    address = Address.of(url)
    if not allow_remote:
        require_loopback(address)
    return address


def _require_private(address: Address) -> None:
    """Raises UsageError: what is sent with each request would be read on the way."""
    if not is_loopback(address):
        raise UsageError(
            f"--key: {address} is not on this machine, and a key would go there in the clear;"
            " expected a loopback address such as http://127.0.0.1:8000"
        )


@contextmanager
def _ending_as_by_ctrl_c(number: signal.Signals) -> Iterator[None]:
    """Let a signal end this process as Ctrl-C does, so that its server ends with it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def _server(opened: Opened, published: Published, address: Address | None) -> Iterator[Address]:
    """The server to measure: the one that the user named, else one of its own."""
    if address is None:
        where = ["--project", str(opened.root), "--environment", published.ref.environment]
        here = ["--host", "127.0.0.1", "--port", "0", "--no-count"]
        with started([sys.executable, "-m", "headrace.cli.main", "serve", *where, *here]) as own:
            yield own
        return
    served = asked(address)
    expected = (published.ref.environment, published.ref.number)
    if (served.environment, served.snapshot) != expected:
        click.echo(
            warned(
                f"{address} serves snapshot {served.snapshot} of {served.environment}; the values"
                f" are those of snapshot {published.ref.number} of {published.ref.environment}"
            ),
            err=True,
        )
    yield address


def _measured(task: Task, server: Address, sampler: Sampler) -> Report:
    """Ask for one endpoint after the other.

    Raises:
        UsageError: a value that was given does not fit, or there is none for any endpoint.
    """
    measured: list[Measured] = []
    skipped: list[Drawn] = []
    for number, contract in enumerate(task.contracts, start=1):
        _tell(f"{number} of {len(task.contracts)}: {contract.name}")
        # Drawn only now: the requests of a thousand endpoints would take gigabytes.
        drawn = draw(contract, sampler, task.values)
        if drawn.targets:
            measured.append(measure(server, drawn, task.load))
        else:
            skipped.append(drawn)
    _tell("")
    if not measured:
        reasons = "; ".join(f"{each.contract.name}: {each.missing}" for each in skipped)
        raise UsageError(f"nothing can be asked for: {reasons}")
    return Report(task, server, measured, skipped)


def _tell(doing: str) -> None:
    """Say on a terminal what is being done; "" wipes it away."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{faint(cut(doing, _SHOWN_COLUMNS))}", nl=False, err=True)


def _show_nothing(*, as_json: bool) -> None:
    if as_json:
        print_json({"endpoints": [], "skipped": []})
    else:
        click.echo("No endpoint is published: write one in endpoints/, and `headrace run`.")


def _show(report: Report) -> None:
    ref, load = report.task.published.ref, report.task.load
    how = f"{counted(load.connections, 'connection')}, {load.seconds:g} s a line at most"
    click.echo(faint(f"snapshot {ref.number} of {ref.environment}; {how}"))
    rows = [row for each in report.measured for row in _rows(each)]
    click.echo(table(_HEADERS, rows, _SIDES))
    busiest = max(each.again.client_busy for each in report.measured)
    if busiest > _CLIENT_BUSY:
        click.echo(
            faint(f"The client itself was busy {busiest:.0%} of the time: a server can do more.")
        )
    _show_texts("Skipped", {each.contract.name: [each.missing] for each in report.skipped})
    said = {each.contract.name: proposals(each) for each in report.measured}
    _show_texts("What would help", said)


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    contract = measured.contract
    yield (contract.name, contract.access_path, "first", *_cells(measured.first))
    yield ("", "", "again", *_cells(measured.again))


def _cells(figures: Figures) -> tuple[str, ...]:
    errors = ", ".join(
        f"{count(number)} × {named(each)}" for each, number in figures.errors.items()
    )
    if not figures.answered:
        return (count(figures.requests), "–", "–", "–", "–", errors)
    return (
        count(figures.requests),
        count(round(figures.per_second)),
        latency(figures.p50_seconds),
        latency(figures.p99_seconds),
        size(figures.answer_bytes),
        errors or "–",
    )


def latency(seconds: float) -> str:
    """A short time, with as many digits as a measurement is worth.

    >>> latency(0.000_123), latency(0.0123), latency(0.25), latency(2.5)
    ('0.12 ms', '12.3 ms', '250 ms', '2.50 s')
    """
    milliseconds = seconds * 1000
    if milliseconds < 10:
        return f"{milliseconds:.2f} ms"
    if milliseconds < 100:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _show_texts(title: str, texts: Mapping[str, Sequence[str]]) -> None:
    said = [(name, text) for name, own in texts.items() for text in own]
    if said:
        click.echo()
        heading(title)
        for name, text in said:
            click.echo(f"  {name}: {text}")


def _as_json(report: Report) -> dict[str, object]:
    task = report.task
    return {
        "environment": task.published.ref.environment,
        "snapshot": task.published.ref.number,
        "server": str(report.address),
        "connections": task.load.connections,
        "seconds": task.load.seconds,
        "seed": task.seed,
        "endpoints": [
            {
                "endpoint": each.contract.name,
                "path": each.contract.path,
                "access_path": each.contract.access_path,
                "reason": each.contract.reason,
                "advice": each.contract.advice,
                "first": _figures_json(each.first),
                "again": _figures_json(each.again),
                "proposals": proposals(each),
            }
            for each in report.measured
        ],
        "skipped": [
            {"endpoint": each.contract.name, "reason": each.missing} for each in report.skipped
        ],
    }


def _figures_json(figures: Figures) -> dict[str, object]:
    return {
        "requests": figures.requests,
        "statuses": {str(status): number for status, number in figures.statuses.items()},
        "seconds": round(figures.seconds, 3),
        "per_second": round(figures.per_second, 1),
        "p50_ms": round(figures.p50_seconds * 1000, 3),
        "p99_ms": round(figures.p99_seconds * 1000, 3),
        "slowest_ms": round(figures.slowest_seconds * 1000, 3),
        "slowest": figures.slowest,
        "answer_bytes": round(figures.answer_bytes),
        "empty": figures.empty,
        "client_busy": round(figures.client_busy, 2),
    }
