"""What was measured, as Markdown; and whether it is what it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.serving.columnar import Columnar
from benchmarks.serving.exports import Export, Transfer
from benchmarks.serving.ours import Built
from benchmarks.serving.peers import Peer
from benchmarks.serving.questions import SHAPES
from benchmarks.serving.rounds import Cost, Name
from benchmarks.serving.routes import name as route_name

OURS, AS_ASGI = "headrace", "headrace, as an ASGI application"
WITH_KEY, WITH_TOKEN = f"{OURS}, with an API key", f"{OURS}, with a token"
WITH_POLICY = f"{WITH_KEY} and a row policy"
BARE, FRAMEWORK = "uvicorn alone, as many bytes", "FastAPI alone, as many bytes"
HIT, UNCHANGED = "hit", "304"
WHATS = (*SHAPES, HIT, UNCHANGED)
_MOST_GROWN_BYTES = 100e6
_NOISE = 1.1
# Who asks -> than whom they may cost more, for what, and how many microseconds.
_PROVEN = {
    WITH_KEY: (OURS, "an API key", 10.0),
    WITH_TOKEN: (OURS, "a token", 100.0),
    WITH_POLICY: (WITH_KEY, "a row policy beside the key", 10.0),
}


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that one run has measured.

    `absent` says of a peer why it was not; `under_policies` of a shape how it is answered there.
    """

    costs: Mapping[Name, Cost]
    built: Built
    columnar: Columnar
    exports: Sequence[Export]
    endpoints: tuple[int, int]
    absent: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    under_policies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Something that must hold, and what was found."""

    text: str
    found: str
    kept: bool

    def __str__(self) -> str:
        return f"| {self.text} | {self.found} | {'yes' if self.kept else 'NO'} |"


def targets(figures: Figures, peers: Sequence[Peer]) -> list[Target]:
    """All that must hold of what was measured."""
    return [
        *_against_peers(figures, peers),
        *_against_uvicorn(figures),
        *_by_proof(figures),
        *_under_policies(figures),
        *_columnar(figures.columnar),
        *_exports(figures.exports),
        *_routes(figures),
    ]


def _times(figures: Figures, dearer: Name, cheaper: Name) -> float:
    return figures.costs[dearer].microseconds / figures.costs[cheaper].microseconds


def _against_peers(figures: Figures, peers: Sequence[Peer]) -> Iterator[Target]:
    for peer in peers:
        for shape in SHAPES:
            text = f"{shape}: {peer.factor:g} × as many requests as {peer.title}"
            if Name(peer.title, shape) in figures.costs:
                times = _times(figures, Name(peer.title, shape), Name(OURS, shape))
                yield Target(text, f"{times:.1f} ×", times >= peer.factor)


def _against_uvicorn(figures: Figures) -> Iterator[Target]:
    for what in WHATS:
        least = 0.6 if what in SHAPES else 0.75
        of = HIT if what == UNCHANGED else what
        share = _times(figures, Name(BARE, of), Name(OURS, what))
        text = f"{what}: {least:.0%} of what uvicorn alone answers"
        yield Target(text, f"{share:.0%}", share >= least)


def _by_proof(figures: Figures) -> Iterator[Target]:
    for who, (other, shown, most) in _PROVEN.items():
        for what in WHATS:
            if Name(who, what) in figures.costs:
                cost, least = (figures.costs[Name(each, what)] for each in (who, other))
                more = cost.microseconds - least.microseconds
                text = f"{what}: with {shown}, {most:g} µs more at most"
                yield Target(text, f"{more:+.1f} µs", more <= most)


def _under_policies(figures: Figures) -> Iterator[Target]:
    for shape, path in figures.under_policies.items():
        yield Target(f"{shape}: keyed under a row policy, too", path, path == "keyed")


def _columnar(found: Columnar) -> Iterator[Target]:
    text = "a columnar query: 1.3 × DuckDB alone + 1 ms"
    said = f"{found.served_cpu:.1f} ms of {found.allowed:.1f} ms"
    yield Target(text, said, found.served_cpu <= found.allowed)


def _exports(exports: Sequence[Export]) -> Iterator[Target]:
    for export in exports:
        pace, alone = export.served.pace, export.alone.pace
        if export.format == "arrow":
            text = "export, arrow: 250 MB/s, or 70 % of DuckDB's pipe"
            kept = pace >= 250 or pace >= 0.7 * alone
            yield Target(text, f"{pace:.0f} MB/s, {pace / alone:.0%}", kept)
        elif export.format in ("ndjson", "csv"):
            yield Target(f"export, {export.format}: 100 MB/s", f"{pace:.0f} MB/s", pace >= 100)
    if exports:
        grown = max(export.served.grown_bytes for export in exports)
        text = "exports: less than 100 MB more memory"
        yield Target(text, f"{grown / 1e6:.0f} MB", grown < _MOST_GROWN_BYTES)


def _routes(figures: Figures) -> Iterator[Target]:
    few, many = (route_name(count) for count in figures.endpoints)
    if many in figures.costs:
        times = _times(figures, many, few)
        text = "a request among {1:,} endpoints costs as among {0}".format(*figures.endpoints)
        yield Target(f"{text} (at most {_NOISE} ×)", f"{times:.2f} ×", times <= _NOISE)


def text(figures: Figures, peers: Sequence[Peer], wanted: Sequence[Target], about: str) -> str:
    """The whole part of the page."""
    parts = [about, _requests(figures, peers), _others(figures), _targets(wanted)]
    return "\n\n".join(part for part in parts if part)


def _requests(figures: Figures, peers: Sequence[Peer]) -> str:
    titles = {"P": "P", "L": "L", "A": "A", HIT: "cache hit", UNCHANGED: "304"}
    head = "| µs of CPU a request (requests a second) | " + " | ".join(titles.values()) + " |"
    rows = [head, "|---" * (len(titles) + 1) + "|"]
    for who in (BARE, FRAMEWORK, *(peer.title for peer in peers), AS_ASGI, OURS, *_PROVEN):
        if who in figures.absent:
            rows.append(f"| {who} | not measured: {figures.absent[who]} |" + " |" * 4)
        elif any(Name(who, what) in figures.costs for what in titles):
            cells = (_cell(figures.costs.get(Name(who, what))) for what in titles)
            version = figures.versions.get(who, "")
            rows.append(f"| {' '.join(filter(None, (who, version)))} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(cost: Cost | None) -> str:
    return "" if cost is None else f"{cost.microseconds:,.1f} ({cost.a_second:,.0f})"


def _others(figures: Figures) -> str:
    columnar, built = figures.columnar, figures.built
    served = f"{columnar.served_cpu:.1f} ({columnar.served_wall:.1f})"
    alone = f"{columnar.raw_cpu:.1f} ({columnar.raw_wall:.1f})"
    rows = ["| further | headrace | DuckDB alone |", "|---|---|---|"]
    rows.append(f"| columnar query, ms of CPU (of wall time) | {served} | {alone} |")
    for export in figures.exports:
        grown = export.served.grown_bytes / 1e6
        rows.append(
            f"| export, {export.format}: MB, MB/s of CPU time (of wall time), MB of memory |"
            f" {_pace(export.served)}, {grown:.0f} | {_pace(export.alone)} |"
        )
    for count in figures.endpoints:
        cost = figures.costs.get(route_name(count))
        rows.append(f"| a keyed request among {count:,} endpoints, µs of CPU | {_cell(cost)} | |")
    rows.append(f"| first run: land and build the tables, s | {built.run_seconds:.1f} | |")
    rows.append(
        f"| run that builds the keyed copies of P, L and A, s | {built.copies_seconds:.1f} | |"
    )
    return "\n".join(rows)


def _pace(transfer: Transfer) -> str:
    wall = transfer.size_bytes / transfer.seconds / 1e6
    return f"{transfer.size_bytes / 1e6:.0f}, {transfer.pace:.0f} ({wall:.0f})"


def _targets(wanted: Sequence[Target]) -> str:
    return "\n".join(["| must hold | found | kept |", "|---|---|---|", *map(str, wanted)])
