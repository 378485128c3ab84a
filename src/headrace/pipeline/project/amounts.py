"""Amounts with a unit: takes "1 %", "20 rows" or "2 hours" as written, gives shares and seconds."""

from __future__ import annotations

import re

from headrace.base.declarations import Tolerance
from headrace.base.names import near_miss
from headrace.pipeline.project.documents import Node, Scalar
from headrace.pipeline.project.keys import Problems, Reader, report

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_ROWS = re.compile(r"(\d{1,15})(?:\s*rows?)?", re.ASCII)
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([a-z]+)", re.ASCII)
_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_SECONDS = _UNITS | {f"{name}s": seconds for name, seconds in _UNITS.items()}


def tolerance(node: Node, problems: Problems) -> Tolerance | None:
    """ "1 %", "0.5%", 20 or "20 rows"."""
    written = node.text.strip() if isinstance(node, Scalar) else ""
    if rows := _ROWS.fullmatch(written):
        return Tolerance(rows=int(rows[1]))
    share = _SHARE.fullmatch(written)
    if share and float(share[1]) <= 100:
        return Tolerance(share=float(share[1]) / 100)
    report(problems, node, "rows or a share of all rows, such as `20 rows` or `0.5 %`")
    return None


def share(most_percent: float) -> Reader[float]:
    """A reader of percentages up to `most_percent`, as shares: "50 %" is 0.5."""

    def read(node: Node, problems: Problems) -> float | None:
        found = _SHARE.fullmatch(node.text.strip()) if isinstance(node, Scalar) else None
        if found and float(found[1]) <= most_percent:
            return float(found[1]) / 100
        upper = "" if most_percent > 1_000 else f", at most {most_percent:g} %"
        report(problems, node, f"a percentage such as `10 %`{upper}")
        return None

    return read


def span(node: Node, problems: Problems) -> float | None:
    """A length of time above 0, in seconds: "90 minutes" is 5400."""
    written = node.text.strip().lower() if isinstance(node, Scalar) else ""
    found = _SPAN.fullmatch(written)
    if found and found[2] in _SECONDS and float(found[1]) > 0:
        return float(found[1]) * _SECONDS[found[2]]
    fix = near_miss(found[2], _SECONDS) if found and found[2] not in _SECONDS else ""
    report(problems, node, "a length of time above 0, such as `90 minutes` or `1 day`", fix)
    return None
