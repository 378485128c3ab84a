"""Takes the outcomes of unit tests, gives what people and other programs read of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

import click

from headrace.cli.printing import bad, counted, cut, faint, good, table, width
from headrace.testing.answers import AnswerDifference
from headrace.testing.comparing import Found, Pair, TableDifference
from headrace.testing.running import Outcome

_SHOWN_PAIRS = 20
_CELL_COLUMNS = 60
_INDENT = "  "
_COLOURS = {"expected": good, "missing": good, "found": bad, "too many": bad}


def failure_text(outcome: Outcome) -> str:
    """Why a test has failed: the place and name of the test, and below it what differs."""
    lines = [f"{bad('✗')} {outcome.test.place.file}:{outcome.test.place.line}: {outcome.test.name}"]
    lines += [f"{_INDENT}{line}" for line in outcome.error.splitlines()]
    for difference in outcome.differences:
        if isinstance(difference, TableDifference):
            lines += _table_lines(difference)
        else:
            lines += _answer_lines(difference)
    if outcome.empty:
        lines.append(faint(f"{_INDENT}not given, so empty: {', '.join(outcome.empty)}"))
    return "\n".join(lines)


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """An outcome as JSON values."""
    return {
        "file": outcome.test.place.file,
        "line": outcome.test.place.line,
        "test": outcome.test.name,
        "passed": outcome.passed,
        "seconds": round(outcome.seconds, 6),
        "message": "" if outcome.passed else click.unstyle(failure_text(outcome)),
    }


def junit_xml(outcomes: Sequence[Outcome], seconds: float) -> bytes:
    """Outcomes as the JUnit XML that CI systems read: a suite for each file."""
    suites = ET.Element("testsuites", _figures(outcomes, seconds))
    for file in dict.fromkeys(each.test.place.file for each in outcomes):
        own = [each for each in outcomes if each.test.place.file == file]
        figures = _figures(own, sum(each.seconds for each in own))
        suite = ET.SubElement(suites, "testsuite", {"name": file, **figures})
        for each in own:
            names = {"classname": file, "name": each.test.name, "file": file}
            case = ET.SubElement(suite, "testcase", {**names, "time": f"{each.seconds:.3f}"})
            if not each.passed:
                text = _printable(click.unstyle(failure_text(each)))
                title = text.partition("\n")[2].partition("\n")[0].strip()
                ET.SubElement(case, "failure", {"message": title}).text = text
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _figures(outcomes: Sequence[Outcome], seconds: float) -> dict[str, str]:
    failures = sum(not each.passed for each in outcomes)
    return {"tests": str(len(outcomes)), "failures": str(failures), "time": f"{seconds:.3f}"}


def _printable(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)


def _answer_lines(difference: AnswerDifference) -> list[str]:
    lines = [f"{_INDENT}GET {difference.target}"]
    return [*lines, *(f"{_INDENT * 2}{line}" for line in difference.lines)]


def _table_lines(difference: TableDifference) -> Iterator[str]:
    yield f"{_INDENT}{difference.table}: {_summary(difference)}"
    if not difference.columns:
        return
    shown = difference.pairs[:_SHOWN_PAIRS]
    rows = [row for pair in shown for row in _pair_rows(pair, difference)]
    headers = ["", *(["row"] if difference.ordered else []), *difference.columns]
    labels = [row[0] for row in rows]
    header, *lines = table(headers, rows, indent=_INDENT * 2).splitlines()
    yield header
    for label, line in zip(labels, lines, strict=True):
        yield _COLOURS[label](line) if label in _COLOURS else line
    more = len(difference.pairs) - len(shown)
    if more:
        yield faint(f"{_INDENT * 2}and {counted(more, 'more row')}")


def _summary(difference: TableDifference) -> str:
    pairs = difference.pairs
    differing = sum(1 for pair in pairs if pair.expected and pair.found)
    missing = sum(1 for pair in pairs if pair.found is None)
    unexpected = sum(1 for pair in pairs if pair.expected is None)
    parts = [
        _counted(differing, "differs", "differ"),
        _counted(missing, "is missing", "are missing"),
        _counted(unexpected, "is too many", "are too many"),
    ]
    if difference.alike:
        parts.append(_counted(difference.alike, "is as expected", "are as expected"))
    return ", ".join(part for part in parts if part)


def _counted(number: int, one: str, several: str) -> str:
    return f"{counted(number, 'row')} {one if number == 1 else several}" if number else ""


def _pair_rows(pair: Pair, difference: TableDifference) -> Iterator[list[str]]:
    """The lines of a pair: label and cells; below two rows, a mark under what differs."""
    position = [str(pair.position)] if difference.ordered else []
    cells = {
        label: [*position, *_cells(row)]
        for label, row in (("expected", pair.expected), ("found", pair.found))
        if row is not None
    }
    if len(cells) == 1:
        label, texts = next(iter(cells.items()))
        yield ["missing" if label == "expected" else "too many", *texts]
        return
    yield from ([label, *texts] for label, texts in cells.items())
    offset = len(position)
    marks = [""] * (len(difference.columns) + offset)
    for column in pair.differing:
        widest = max(width(texts[column + offset]) for texts in cells.values())
        marks[column + offset] = "^" * max(widest, 1)
    yield ["", *marks]


def _cells(row: Found) -> list[str]:
    return [_cell(text) for text in row.texts]


def _cell(text: str | None) -> str:
    """A value as it is written; a text that could not be told from NULL or nothing in quotes."""
    if text is None:
        return "NULL"
    needs_quotes = text in {"", "NULL"} or text != text.strip()
    return cut(repr(text) if needs_quotes else text, _CELL_COLUMNS)
