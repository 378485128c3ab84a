"""Fills what a test leaves out: takes given rows and the contracts, gives rows that keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from headrace.base.declarations import CheckDeclaration, Source
from headrace.base.errors import Place, Problem
from headrace.checks.builtin import declared_checks
from headrace.pipeline.compile.changing import VALID_TO
from headrace.pipeline.compile.graph import Relation
from headrace.pipeline.project.keys import Problems
from headrace.testing.candidates import NULL_CELL, Cell, ColumnRules, candidates

_TRIED = 20_000


@dataclass(frozen=True, slots=True)
class Given:
    """A table with the rows that a test gives it; `rows` hold the cells that it names.

    `places` are the rows', in the same order, and `files` the raw files that they say they are
    from, None where they do not. Filling adds the cells that are missing.
    """

    relation: Relation
    rows: list[dict[str, Cell]]
    places: tuple[Place, ...]
    files: tuple[str | None, ...]


def fill(tables: Sequence[Given], problems: Problems, derive: Callable[[Given], None]) -> None:
    """Give every row of every table a cell for each of its columns.

    A column of which nothing is asked becomes NULL. Any other gets a value that keeps its rules:
    one that occurs in the table that it references, if that has rows, and one of its own where
    it must be unique. A derived column gets what its expression says of the row. Equal
    tables are filled alike.

    Args:
        tables: the given tables; the columns of each are known.
        problems: takes a problem for each cell for which no such value is found.
        derive: adds the derived columns to the rows of a table whose other columns are filled.
    """
    by_name = {each.relation.name.lower(): each for each in tables}
    for table in _referenced_first(tables, by_name):
        _Filling(table, by_name, problems).fill(derive)


def _referenced_first(tables: Sequence[Given], by_name: Mapping[str, Given]) -> list[Given]:
    """Tables after those that they reference, as far as they do not reference each other."""
    found: dict[str, Given] = {}
    seen: set[str] = set()

    def visit(table: Given) -> None:
        name = table.relation.name
        if name in seen:
            return
        seen.add(name)
        for check in table_rules(table.relation):
            if other := by_name.get(check.to_table.lower()):
                visit(other)
        found[name] = table

    for table in tables:
        visit(table)
    return list(found.values())


def table_rules(relation: Relation) -> tuple[CheckDeclaration, ...]:
    """All that a table's header asks of it; nothing, of a quarantine."""
    if relation.kind == "quarantine":
        return ()
    declared = relation.declaration
    found = declared_checks(declared.columns, declared.key, declared.checks, declared.place)
    needed = [declared.partition.column] if declared.partition else []
    if isinstance(declared, Source) and declared.cursor:
        needed += [declared.cursor, *declared.key]
        if relation.name != declared.name:
            # A key is there more than once, but only once at a time.
            kept = (check for check in found if check.kind not in {"key", "unique"})
            once = CheckDeclaration("key", (declared.cursor, *declared.key), declared.place)
            found = (*kept, once)
    return (*found, *(CheckDeclaration("not_null", (name,), declared.place) for name in needed))


def derived_names(relation: Relation) -> frozenset[str]:
    """The columns of a source's table that follow from its others."""
    source = relation.declaration
    if not isinstance(source, Source) or relation.kind == "quarantine":
        return frozenset()
    names = {column.name for column in source.columns}
    made = {column.name for column in relation.schema or ()} - names
    return frozenset(made - {VALID_TO})


@dataclass(frozen=True, slots=True)
class _Filling:
    """The filling of one table."""

    table: Given
    tables: Mapping[str, Given]
    problems: Problems
    _choices: dict[str, list[Cell]] = field(default_factory=dict)

    def fill(self, derive: Callable[[Given], None]) -> None:
        rules = self._rules()
        given = [set(row) for row in self.table.rows]
        if derived := derived_names(self.table.relation):
            self._fill_columns({name: rules[name] for name in rules if name not in derived}, given)
            derive(self.table)
        self._fill_columns(rules, given)

    def _fill_columns(self, rules: Mapping[str, ColumnRules], given: list[set[str]]) -> None:
        groups = self._groups(rules)
        grouped = {name for group in groups for name in group}
        # What refers to the table itself comes last: it may refer to what is filled.
        for name in sorted(rules, key=lambda name: self._refers_to_itself(rules[name])):
            if name not in grouped or self._refers_to_itself(rules[name]):
                self._fill_alike(rules[name])
        for group in groups:
            self._fill_apart(group, rules, given)

    def _rules(self) -> dict[str, ColumnRules]:
        checks = table_rules(self.table.relation)
        return {
            column.name: ColumnRules(
                column,
                tuple(
                    check
                    for check in checks
                    if column.name.lower() in {name.lower() for name in check.columns}
                ),
            )
            for column in self.table.relation.schema or ()
        }

    def _groups(self, rules: Mapping[str, ColumnRules]) -> list[tuple[str, ...]]:
        """The columns of `rules` that are unique together, the smallest groups first."""
        spelled = {each.name.lower(): each.name for each in self.table.relation.schema or ()}
        groups = {
            tuple(name for each in check.columns if (name := spelled[each.lower()]) in rules)
            for check in table_rules(self.table.relation)
            if check.kind in {"unique", "key"}
        }
        return sorted(filter(None, groups), key=lambda group: (len(group), group))

    def _refers_to_itself(self, rules: ColumnRules) -> bool:
        own = self.table.relation.name.lower()
        return any(table.lower() == own for table, _ in rules.references)

    def _fill_alike(self, rules: ColumnRules) -> None:
        """The first value that fits, in every row that has none."""
        name = rules.column.name
        for row, place in zip(self.table.rows, self.table.places, strict=True):
            if name in row:
                continue
            choices = self._options(rules)
            if choices:
                row[name] = choices[0]
            else:
                self._refuse(place, (name,))

    def _fill_apart(
        self, group: tuple[str, ...], rules: Mapping[str, ColumnRules], given: list[set[str]]
    ) -> None:
        """Values that no other row has, in the columns of a group that are missing."""
        rows, places = self.table.rows, self.table.places
        whole = [row for row in rows if all(name in row for name in group)]
        taken = {_values(row, group) for row in whole}
        for row, place, named in zip(rows, places, given, strict=True):
            missing = [name for name in group if name not in row]
            if not missing:
                if not named.issuperset(group) and self._is_twice(row, group):
                    self._refuse(place, group)
                continue
            wanted = {name: rules[name] for name in missing}
            chosen = self._distinct(row, group, wanted, taken)
            if chosen is None and len(rules) < len(self.table.relation.schema or ()):
                # The derived columns of the group may still tell the rows apart.
                chosen = self._distinct(row, group, wanted, set())
            if chosen is None:
                self._refuse(place, missing)
                continue
            row.update(chosen)
            taken.add(_values(row, group))

    def _is_twice(self, row: Mapping[str, Cell], group: tuple[str, ...]) -> bool:
        """Whether another row has the same values: another group has filled them."""
        own = _values(row, group)
        if None in own:
            return False
        alike = [each for each in self.table.rows if all(name in each for name in group)]
        return sum(_values(each, group) == own for each in alike) > 1

    def _distinct(
        self,
        row: Mapping[str, Cell],
        group: tuple[str, ...],
        missing: Mapping[str, ColumnRules],
        taken: set[tuple[object, ...]],
    ) -> dict[str, Cell] | None:
        """Cells for the missing columns that make the group's values differ from those taken."""
        options = {name: self._options(rules) for name, rules in missing.items()}
        # The last one varies first: the one with the most values.
        names = sorted(missing, key=lambda name: len(options[name]))
        for cells in islice(product(*(options[name] for name in names)), _TRIED):
            chosen = dict(zip(names, cells, strict=True))
            values = _values({**row, **chosen}, group)
            if None in values or values not in taken:
                return chosen
        return None

    def _options(self, rules: ColumnRules) -> list[Cell]:
        """Values that fit a column, enough for each row to have its own."""
        name = rules.column.name
        if name not in self._choices:
            self._choices[name] = self._found(rules)
        return self._choices[name]

    def _found(self, rules: ColumnRules) -> list[Cell]:
        if rules.is_free:
            return [NULL_CELL]
        referenced = [cells for each in rules.references if (cells := self._referenced(*each))]
        if rules.references and not referenced and rules.is_nullable:
            return [NULL_CELL]
        wanted = 2 * len(self.table.rows) + 1
        return list(islice(candidates(rules, referenced[0] if referenced else None), wanted))

    def _referenced(self, table: str, column: str) -> list[Cell]:
        """The values of a column of a given table, those that are filled among them."""
        other = self.tables.get(table.lower())
        if other is None:
            return []
        spelled = {each.name.lower(): each.name for each in other.relation.schema or ()}
        name = spelled.get(column.lower(), column)
        cells = [row[name] for row in other.rows if name in row]
        return [cell for cell in cells if cell.value is not None]

    def _refuse(self, place: Place, names: Iterable[str]) -> None:
        listed = ", ".join(f"`{self.table.relation.name}.{name}`" for name in names)
        found = f"{listed} is not given, and no value was found that keeps its rules"
        self.problems.append(Problem(place, found, "a value in this row"))


def _values(row: Mapping[str, Cell], group: Iterable[str]) -> tuple[object, ...]:
    return tuple(row[name].value for name in group)
