"""docs/benchmarks.md: takes the newest figures of one part, replaces the ones that are there."""

from __future__ import annotations

import os
import platform
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def write_figures(part: str, text: str, page: Path = PAGE) -> None:
    """Replace what stands between the marks of a part: `figures`, `serving` or `auth`."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def machine() -> str:
    """What the figures are from."""
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}"
