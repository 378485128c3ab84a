"""Takes two snapshots, says how their tables and their APIs differ, as lines or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

import click

from headrace.base.changes import ContractChange
from headrace.base.tables import Column, Version
from headrace.cli.printing import bad, count, counted, good, table, warned
from headrace.pipeline.plan.policy_changes import policy_changes
from headrace.store.snapshots import Snapshot

Kind: TypeAlias = Literal["added", "removed", "changed"]
_CELLS_NAMED = 3


@dataclass(frozen=True, slots=True)
class TableChange:
    """How one table differs.

    Attributes:
        table: its name.
        kind: whether it is there before and after.
        rows_before, rows_after: None where there is no table.
        columns: in words, how its columns differ.
        recipe_changed: whether it is made by another contract, SQL or code.
        cells: the partitions, or raw files, whose rows differ, sorted; () when the whole table was
            made another way, and for a table that is one piece.
        cells_after: how many of them the table has now.
    """

    table: str
    kind: Kind
    rows_before: int | None
    rows_after: int | None
    columns: tuple[str, ...] = ()
    recipe_changed: bool = False
    cells: tuple[str, ...] = ()
    cells_after: int = 0

    def __str__(self) -> str:
        recipe = ["its recipe changed"] if self.recipe_changed else []
        cells = [_cells(self.cells, self.cells_after)] if self.cells else []
        return "; ".join([_rows(self), *recipe, *cells, *self.columns])


def table_changes(before: Snapshot, after: Snapshot) -> tuple[TableChange, ...]:
    """The tables whose content or columns differ, by name."""
    names = sorted(before.tables.keys() | after.tables.keys())
    changes = (
        _table_change(name, before.tables.get(name), after.tables.get(name)) for name in names
    )
    return tuple(change for change in changes if change is not None)


def _table_change(name: str, old: Version | None, new: Version | None) -> TableChange | None:
    if old is None:
        return TableChange(name, "added", None, new.rows if new else 0)
    if new is None:
        return TableChange(name, "removed", old.rows, None)
    if old.address == new.address or (new.kind == "quarantine" and not old.rows + new.rows):
        return None
    columns = tuple(_column_changes(old.schema, new.schema))
    recipe_changed = old.recipe != new.recipe
    before, after = _pieces(old), _pieces(new)
    differing = {each for each in before | after if before.get(each) != after.get(each)}
    return TableChange(
        name,
        "changed",
        old.rows,
        new.rows,
        columns,
        recipe_changed=recipe_changed,
        cells=() if recipe_changed else tuple(sorted(differing - {""})),
        cells_after=len(after),
    )


def _pieces(version: Version) -> dict[str, set[str]]:
    """What the cells of a table are pieces of, its partitions or raw files -> their addresses."""
    found: dict[str, set[str]] = {}
    for cell in version.cells:
        piece = cell.label if cell.partition is None else cell.partition
        found.setdefault(piece, set()).add(cell.address)
    return found


def _column_changes(before: Iterable[Column], after: Iterable[Column]) -> Iterator[str]:
    old = {column.name: column.type for column in before}
    new = {column.name: column.type for column in after}
    yield from (f"column {name} removed" for name in old if name not in new)
    yield from (f"column {name} ({new[name]}) added" for name in new if name not in old)
    for name, kind in old.items():
        if new.get(name, kind) != kind:
            yield f"column {name}: {kind} becomes {new[name]}"


def _cells(names: tuple[str, ...], cells_after: int) -> str:
    more = f" and {len(names) - _CELLS_NAMED} more" if len(names) > _CELLS_NAMED else ""
    shown = ", ".join(names[:_CELLS_NAMED])
    return f"{counted(len(names), 'cell')} of {count(cells_after)}: {shown}{more}"


def _rows(change: TableChange) -> str:
    before, after = change.rows_before, change.rows_after
    if before is None or after is None:
        return counted((before if after is None else after) or 0, "row")
    if before == after and change.recipe_changed:
        return f"{counted(after, 'row')} as before"
    if before == after:
        return f"{counted(after, 'row')} as before, but {'another' if after == 1 else 'others'}"
    sign = "+" if after > before else "−"
    return f"{count(before)} → {counted(after, 'row')} ({sign}{count(abs(after - before))})"


def table_lines(changes: Iterable[TableChange]) -> str:
    """Changed tables for people, one a line."""
    return _lines((change.kind, change.table, str(change), "") for change in changes)


def contract_lines(changes: Iterable[ContractChange]) -> str:
    """What changes for the users of an API, one change a line, and whether it breaks them."""
    return _lines((each.kind, each.endpoint, each.detail, each.note) for each in changes)


def policy_lines(before: Snapshot, after: Snapshot) -> str:
    """Who sees more or less of a table than before, a table or column a line."""
    said = policy_changes(before.manifest.tables, after.manifest.tables)
    return "\n".join(f"  {line}" for line in said)


def _lines(changes: Iterable[tuple[Kind, str, str, str]]) -> str:
    rows = list(changes)
    colour = {"added": good, "removed": bad, "changed": warned}
    lines = table(("",) * 4, rows, indent="  ").splitlines()
    return "\n".join(
        (bad if note else colour[kind])(line)
        for (kind, _, _, note), line in zip(rows, lines, strict=True)
    )


def changes_json(
    tables: Iterable[TableChange], api: Iterable[ContractChange]
) -> dict[str, list[dict[str, object]]]:
    """All changes as JSON values."""
    return {"tables": [asdict(each) for each in tables], "api": [asdict(each) for each in api]}


def print_section(title: str, lines: str) -> None:
    """Print lines under a title; nothing when there are none."""
    if lines:
        click.echo(click.style(title, bold=True))
        click.echo(lines)
