"""Takes what a check found, gives the line and the rows that show it to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headrace.cli.printing import bad, counted, cut, faint, table, warned
from headrace.store.snapshots import CheckResult

SHOWN_ROWS = 5
_CELL_COLUMNS = 40
_MESSAGE_COLUMNS = 300


def check_line(name: str, severity: str, failing: int, message: str) -> str:
    """What a check that did not pass has found, on one line.

    `failing` counts the wrong rows, -1 when the check itself raised; `message`, when there is
    one, says it better than the count does.
    """
    mark = bad("✗") if severity == "error" else warned("!")
    found = "could not be made" if failing < 0 else f"{counted(failing, 'row')} wrong"
    note = "" if severity == "error" else faint(" (a warning)")
    return f"{mark} {name}: {indented(message) if message else found}{note}"


def result_line(result: CheckResult) -> str:
    """What a check that did not pass has found, on one line."""
    return check_line(result.name, result.severity, result.failing, result.message)


def sample_table(
    rows: Sequence[Mapping[str, str | None]], failing: int, indent: str, most: int = SHOWN_ROWS
) -> str:
    """Some of the wrong rows, `most` of them, and how many there are beside them; "" without."""
    if not rows:
        return ""
    shown = rows[:most]
    cells = [[_cell(value) for value in row.values()] for row in shown]
    text = table(list(shown[0]), cells, indent=indent)
    if failing > len(shown):
        text += faint(f"\n{indent}and {counted(failing - len(shown), 'more row')}")
    return text


def indented(text: str) -> str:
    """A message of several lines, so that it stays under the line that it belongs to."""
    return "\n    ".join(cut(line, _MESSAGE_COLUMNS) for line in text.splitlines())


def _cell(value: str | None) -> str:
    return "NULL" if value is None else cut(value, _CELL_COLUMNS)
