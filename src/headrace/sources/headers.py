"""Compares the names that a raw file has with those of its contract: gives where each column is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from headrace.base.declarations import ColumnContract, Source
from headrace.base.errors import SourceError
from headrace.base.names import listed, near_miss

_DELIMITERS = (",", ";", "\t", "|")


def column_order(
    where: str, found: Sequence[str], columns: Sequence[ColumnContract], *, hint: str = ""
) -> tuple[int, ...]:
    """For each column of the contract, its position in `found`.

    Args:
        where: the file and line, for the message.
        found: the names as the file has them.
        columns: the contract; the order of its columns does not matter.
        hint: what to do when they differ, where something better than a near miss is known.

    Raises:
        SourceError: the names are not exactly those of the contract, each once.
    """
    expected = [column.name for column in columns]
    if Counter(found) != Counter(expected):
        raise SourceError(f"{where}: {_difference(found, expected, hint)}")
    positions = {name: position for position, name in enumerate(found)}
    return tuple(positions[name] for name in expected)


def _difference(found: Sequence[str], expected: Sequence[str], hint: str) -> str:
    twice = [name for name, count in Counter(found).items() if count > 1]
    extra = [name for name in dict.fromkeys(found) if name not in expected]
    missing = [name for name in expected if name not in found]
    clauses = []
    if twice:
        clauses.append(f"the header has {_shown(twice)} more than once")
    if missing:
        clauses.append(f"the header lacks {_shown(missing)}")
    if extra:
        clauses.append(f"the header has {_shown(extra)}, which the contract does not know")
    fix = hint or _fix(extra, missing)
    return f"{' and '.join(clauses)}; expected the columns {listed(expected)}; {fix}"


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return listed(name if len(name) <= 80 else f"{name[:80]}…" for name in names[:10]) + more


def _fix(extra: Sequence[str], missing: Sequence[str]) -> str:
    if "" in extra:
        return "to read columns without a name, say `header: false` and `skip: 1`"
    for name in extra:
        if hint := _respelt(name, missing):
            return f"{name!r}: {hint}"
    return "correct the file, or `columns:` of the source"


def _respelt(name: str, missing: Sequence[str]) -> str:
    for each in missing:
        if name.strip().lower() == each.strip().lower():
            return f"did you mean `{each}`? Names must be spelt alike, spaces and letter case too"
    return near_miss(name, missing)


def delimiter_hint(line: str, source: Source) -> str:
    """What to say when another delimiter splits `line` into the fields that are expected."""
    delimiter = source.format.delimiter
    counts = {each: line.count(each) for each in _DELIMITERS if each != delimiter}
    likely = max(counts, key=lambda each: counts[each])
    # Fields in quotes may hold delimiters, so the first line need not have exactly as many.
    if counts[likely] < max(1, len(source.columns) - 1) or counts[likely] <= line.count(delimiter):
        return ""
    shown = r'"\t"' if likely == "\t" else f"'{likely}'"
    name = "tabs" if likely == "\t" else f"`{likely}`"
    return f"the line has {counts[likely]} {name}: set `delimiter: {shown}`"
