"""Many endpoints: two projects that differ in how many they have, asked for the same few."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.measuring import HEADRACE, run
from benchmarks.serving import ours
from benchmarks.serving.load import get
from benchmarks.serving.peers import Premises
from benchmarks.serving.rounds import Line, Name
from benchmarks.workloads import write_files

ROUTE = "a route"
_ROWS, _ASKED = 1_000, 10
_MODEL = f"/*\nkey: id\n*/\nSELECT i AS id, i * 7 % 1000 AS value FROM range({_ROWS}) AS t(i)\n"
_ENDPOINT = """\
/*
path: /things_{0:04d}/{{id}}
access: public
*/
SELECT id, value + {0} AS value FROM things WHERE id = $id
"""


def lines(counts: Sequence[int], premises: Premises, stack: ExitStack) -> list[Line]:
    """A line for each number of endpoints: ten of them are asked for, in turn."""
    return [_line(count, premises, stack) for count in counts]


def name(count: int) -> Name:
    """Of the line with so many endpoints."""
    return Name(f"headrace, {count:,} endpoints", ROUTE)


def _line(count: int, premises: Premises, stack: ExitStack) -> Line:
    project = premises.root / f"routes-{count}"
    shutil.rmtree(project, ignore_errors=True)
    files = {"headrace.toml": 'name = "routes"\n', "models/things.sql": _MODEL}
    files |= {f"endpoints/things_{i:04d}.sql": _ENDPOINT.format(i) for i in range(count)}
    write_files(project, files)
    run([HEADRACE, "run"], project)
    server = ours.serve(project, premises, stack, name(count).who)
    asked = range(0, count, count // _ASKED)
    requests = [get(f"/things_{i:04d}/{i * 31 % _ROWS}") for i in asked]
    return Line(name(count), server, requests)
