"""Measures everything, prints it, and writes it into docs/benchmarks.md."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.cells import many_cells
from benchmarks.exports import exports
from benchmarks.heavy import heavy
from benchmarks.measuring import Figure
from benchmarks.memory import large_table
from benchmarks.page import machine, write_figures
from benchmarks.small import TIMES, demo, growing, many_models, start_up


def table(figures: list[Figure]) -> str:
    """The figures as Markdown, with the machine that they are from."""
    head = "| workload | CPU s | wall s | peak MB | limit | kept |\n|---|---|---|---|---|---|"
    return "\n".join([f"Medians of {TIMES} runs; {machine()}.", "", head, *map(str, figures)])


def main() -> int:
    """Measure, print, write; 1 when a limit is not kept."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        figures = [*start_up(folder), *many_models(folder, 100)]
        figures += [*growing(folder), *demo(folder)]
        figures += [*heavy(folder), *many_cells(folder), *large_table(folder), *exports(folder)]
    text = table(figures)
    print(text)
    write_figures("figures", text)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
