"""Measures serving beside its peers, prints it, and writes it into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from benchmarks.page import write_figures
from benchmarks.serving.measuring import Plan, measured
from benchmarks.serving.peers import PEERS
from benchmarks.serving.questions import ORDERS, Size
from benchmarks.serving.report import Target, targets, text
from benchmarks.serving.rounds import Rounds

_QUICK = Rounds(count=3, seconds=0.2)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser("python -m benchmarks.serving", description=__doc__)
    known = ",".join(peer.name for peer in PEERS)
    parser.add_argument("--peers", default=known, help=f"which, by comma; all are {known}")
    parser.add_argument("--size", type=int, default=ORDERS, help="how many orders there are")
    parser.add_argument("--quick", action="store_true", help="few and short rounds")
    parser.add_argument("--keep-page", action="store_true", help="write nothing into the page")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure, print, write; 1 when something does not hold that must."""
    asked = options(arguments)
    named = asked.peers.split(",")
    peers = [peer for peer in PEERS if peer.name in named]
    rounds = _QUICK if asked.quick else Rounds()
    figures, about = measured(Plan(Size(asked.size), peers, rounds))
    wanted = targets(figures, peers)
    page = text(figures, peers, wanted, about)
    print(page)
    if not asked.keep_page:
        write_figures("serving", page)
    return verdict(wanted)


def verdict(wanted: Sequence[Target]) -> int:
    """Say what is missed; the exit code."""
    missed = [f"{each.text} (is {each.found})" for each in wanted if not each.kept]
    for each in missed:
        print(f"missed: {each}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("one core is the server's, another one the load's: there is only one here")
    sys.exit(main(sys.argv[1:]))
