"""The compiler's engine: takes SQL and table columns, gives types, lineage and mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import duckdb
import msgspec

from headrace.base.errors import UsageError
from headrace.base.hashing import address
from headrace.base.moments import EPOCH
from headrace.base.names import quote
from headrace.base.partitions import Split
from headrace.base.tables import Schema
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.engines.failing import casts_values, may_fail
from headrace.engines.scoped_sql import scoped_sql
from headrace.engines.tree_texts import as_statement, faithful, serialized, spelled
from headrace.engines.trees import (
    Node,
    base_tables,
    canonical,
    line_and_column,
    location,
    parameters,
    parents,
)
from headrace.pipeline.compile.access_paths import plan_access
from headrace.pipeline.compile.access_planning import Asked
from headrace.pipeline.compile.access_policies import keyed_cases
from headrace.pipeline.compile.access_scoping import scoping_of
from headrace.pipeline.compile.copies import copied_columns
from headrace.pipeline.compile.lineage import trace
from headrace.pipeline.compile.locality import Claim, prove
from headrace.pipeline.compile.parameters import Use, merged, uses
from headrace.pipeline.compile.pinning import pinned
from headrace.pipeline.compile.policy_predicates import read_predicate
from headrace.pipeline.compile.probing import probes
from headrace.pipeline.compile.queries import (
    Access,
    Answer,
    Bound,
    Mistake,
    NameUse,
    Predicate,
    Proof,
    Query,
)
from headrace.pipeline.compile.refusals import refused, refused_names
from headrace.pipeline.compile.statements import (
    read_statement,
    read_statements,
    without_semicolon,
)
from headrace.pipeline.compile.volatility import volatile_functions, volatile_names
from headrace.store.policies import behind_barrier
from headrace.store.snapshots import Scope, TablePolicy

_DESCRIBE = "DESCRIBE "
_FUNCTIONS = "SELECT lower(function_name), function_type, macro_definition FROM duckdb_functions()"
_WORD = re.compile(r"\w+")
# DuckDB lists every overload of a function as candidates: for `+` that is three screens.
_HINT_LENGTH = 300


class DuckDBAnalyst:
    """Reads and binds queries in one in-memory DuckDB that holds empty tables only."""

    def __init__(self) -> None:
        self._connection = DuckDBEngine(threads=1).cursor()
        # Errors then carry the byte at which they are, not a picture with a caret.
        self._connection.execute("SET errors_as_json = true")
        self._tables: dict[str, Schema] = {}
        self._statements: dict[str, Node] = {}
        self._aggregate_names: frozenset[str] = frozenset()

    def parse(self, sql: str) -> Query:
        """What the text alone says. A text that does not parse is a Query with its mistake."""
        [query] = self.parse_all([sql])
        return query

    def parse_all(self, texts: Sequence[str]) -> list[Query]:
        """What each text alone says, as `parse`."""
        statements = read_statements(self._connection, texts)
        return [self._parsed(*each) for each in zip(texts, statements, strict=True)]

    def _parsed(self, sql: str, statement: Node | Mistake) -> Query:
        if isinstance(statement, Mistake):
            return Query(canonical=address("unread", sql), mistakes=(statement,))
        text = without_semicolon(sql)
        self._statements[text] = statement
        tree = statement["node"]
        names = [(each["identifier"], each) for each in parameters(tree)]
        return Query(
            canonical=address("query", canonical(tree)),
            statement=text,
            tables=_first_uses(sql, [(each["table_name"], each) for each in base_tables(tree)]),
            parameters=_first_uses(sql, names),
            mistakes=(*refused(sql, tree), *_two_spellings(sql, names)),
            volatile=volatile_functions(sql, tree),
        )

    def bind(self, sql: str, tables: Mapping[str, Schema]) -> Bound | Mistake:
        """The columns of a query that parses, or why it has none."""
        self._create(tables)
        schema = self._describe(sql)
        if isinstance(schema, Mistake):
            return schema
        bound = self._traced(sql, self._statement(sql)["node"], tables, schema)
        return bound if isinstance(bound, Mistake) else self._pinnable(sql, bound, tables)

    def prove(
        self, sql: str, tables: Mapping[str, Schema], splits: Mapping[str, Split], result: Split
    ) -> Proof:
        """Whether a query that binds can be built cell by cell; see `locality.prove`."""
        tree = self._statement(sql)["node"]
        return prove(Claim(sql, tree, tables, splits, result), self._aggregates())

    def _aggregates(self) -> frozenset[str]:
        """The names of all aggregate functions, and of the macros that call one."""
        if not self._aggregate_names:
            rows = self._connection.execute(_FUNCTIONS).fetchall()
            names = {name for name, kind, _ in rows if kind == "aggregate"}
            macros = {name for name, _, body in rows if body and names & set(_WORD.findall(body))}
            self._aggregate_names = frozenset(names | macros)
        return self._aggregate_names

    def answer(
        self, sql: str, tables: Mapping[str, Schema], types: Mapping[str, str]
    ) -> Answer | tuple[Mistake, ...]:
        """An endpoint's query, typed; `types` are the parameter types that the header gives."""
        self._create(tables)
        statement = self._statement(sql)
        tree = statement["node"]
        found = self._parameter_types(sql, tree, types)
        if isinstance(found, tuple):
            return found
        typed = self._typed_sql(sql, statement, found)
        schema = self._describe(typed, dict.fromkeys(found))
        if isinstance(schema, Mistake):
            # The same query as the user wrote it has the place of the error.
            placed = self._describe(sql, dict.fromkeys(found))
            return (placed if isinstance(placed, Mistake) else _unplaced(schema),)
        bound = self._traced(sql, tree, tables, schema)
        if isinstance(bound, Mistake):
            return (bound,)
        asked = Asked(sql, tree, tables, found, schema, self._aggregates())
        return Answer(typed, found, bound, plan_access(asked, self))

    def predicate(self, text: str, table: str) -> Predicate | Mistake:
        """A rule of a table's rows, or why it is none."""
        return read_predicate(self._connection, text, table, self._aggregates())

    def scoped(
        self, sql: str, tables: Mapping[str, Schema], selects: Mapping[str, str]
    ) -> str | Mistake:
        """A typed query over what some SELECTs let through.

        One that may fail by the values of a row meets none that they leave out: whether it fails
        tells nothing of those.
        """
        self._create(tables)
        if may_fail(self._statement(sql)["node"]) or casts_values(self._connection, sql):
            selects = {name: behind_barrier(text) for name, text in selects.items()}
        try:
            return scoped_sql(self._connection, sql, selects)
        except UsageError as exc:
            return Mistake(1, 0, str(exc))

    def access(
        self,
        sql: str,
        tables: Mapping[str, Schema],
        answer: Answer,
        policies: Mapping[str, TablePolicy],
        scope: Scope | None,
    ) -> Access:
        """How an endpoint's query is answered by key under the policies of its tables."""
        self._create(tables)
        tree, types, fields = self._statement(sql)["node"], answer.types, answer.bound.schema
        asked = Asked(sql, tree, tables, types, fields, self._aggregates())
        return keyed_cases(asked, self, scoping_of(policies, scope, self._predicate))

    def _predicate(self, text: str) -> Node:
        """The tree of a condition."""
        statement = read_statement(self._connection, f"SELECT 1 WHERE ({text}\n)")
        assert not isinstance(statement, Mistake), "a policy's conditions have been read before"
        condition: Node = statement["node"]["where_clause"]
        return condition

    def written(self, tree: Node) -> tuple[str, Schema] | None:
        """A query without parameters as SQL, and its columns; None when it does not bind."""
        text = faithful(self._connection, as_statement(tree))
        schema = None if text is None else self._describe(text)
        return None if text is None or not isinstance(schema, tuple) else (text, schema)

    def cast(self, expression: Node, type_name: str) -> Node:
        """An expression, cast to a type."""
        return {**self._cast(type_name), "child": expression, "alias": expression["alias"]}

    def _traced(
        self, sql: str, tree: Node, tables: Mapping[str, Schema], schema: Schema
    ) -> Bound | Mistake:
        traced = trace(tree, tables, schema)
        if mistakes := refused_names(sql, traced.unresolved):
            return mistakes[0]
        volatile = (*volatile_functions(sql, tree), *volatile_names(sql, tree, traced.unresolved))
        copies = copied_columns(tree, tables, schema)
        return Bound(schema, traced.lineage, volatile, copies)

    def _pinnable(self, sql: str, bound: Bound, tables: Mapping[str, Schema]) -> Bound | Mistake:
        """What is bound, once no function of the clock is left in it after it was pinned."""
        clocks = [use for use in bound.volatile if use.clock]
        if not clocks:
            return bound
        text = pinned(sql, clocks, EPOCH.at)
        if text is not None and self._is_pinned(text, bound, tables):
            return bound
        first = clocks[0]
        return Mistake(
            first.line,
            first.column,
            f"`{first.name}` cannot be replaced by the time where it stands",
            fix="select it once, under a name, in a WITH query, and use that name",
        )

    def _is_pinned(self, text: str, bound: Bound, tables: Mapping[str, Schema]) -> bool:
        """Whether a text has the columns of `bound`, and no function of the clock."""
        statement = read_statement(self._connection, text)
        schema = self._describe(text)
        if isinstance(statement, Mistake) or isinstance(schema, Mistake):
            return False
        left = self._traced(text, statement["node"], tables, schema)
        same = [each.type for each in schema] == [each.type for each in bound.schema]
        return same and isinstance(left, Bound) and not any(use.clock for use in left.volatile)

    def _statement(self, sql: str) -> Node:
        """The tree of a query that has parsed, in this process or before it."""
        if sql not in self._statements:
            statement = read_statement(self._connection, sql)
            assert not isinstance(statement, Mistake), "only queries that parse are bound"
            self._statements[sql] = statement
        return self._statements[sql]

    def _create(self, tables: Mapping[str, Schema]) -> None:
        """Make the tables that a query reads, empty, unless they are there as they must be."""
        for name, schema in tables.items():
            if self._tables.get(name) != schema:
                columns = ", ".join(f"{quote(column.name)} {column.type}" for column in schema)
                self._connection.execute(f"CREATE OR REPLACE TABLE {quote(name)} ({columns})")
                self._tables[name] = schema

    def _describe(self, sql: str, values: Mapping[str, None] | None = None) -> Schema | Mistake:
        try:
            return described(self._connection, sql, values)
        except duckdb.Error as exc:
            return _mistake(sql, exc)

    def _parameter_types(
        self, sql: str, tree: Node, declared: Mapping[str, str]
    ) -> dict[str, str] | tuple[Mistake, ...]:
        above = parents(tree)
        open_uses = [each for each in parameters(tree) if each["identifier"] not in declared]

        def type_near(node: Node, expression: Node) -> str:
            return self._type_of(probes(node, expression, above), declared)

        found = uses(open_uses, above, type_near)
        used = {each["identifier"] for each in parameters(tree)}
        types = {name: type_name for name, type_name in declared.items() if name in used}
        mistakes: list[Mistake] = []
        for name in dict.fromkeys(use.name for use in found):
            own = [use for use in found if use.name == name]
            kinds = merged(use.type for use in own)
            if len(kinds) == 1:
                types[name] = kinds[0]
            else:
                mistakes.append(_untyped(sql, own, kinds))
        return tuple(mistakes) if mistakes else types

    def _type_of(self, candidates: Iterable[Node], declared: Mapping[str, str]) -> str:
        """The type of the last column of the first query that binds; "" when none does."""
        for probe in candidates:
            values = dict.fromkeys(each["identifier"] for each in parameters(probe))
            sql = spelled(self._connection, as_statement(self._cast_parameters(probe, declared)))
            schema = None if sql is None else self._describe(sql, values)
            if schema is not None and not isinstance(schema, Mistake):
                return "" if schema[-1].type == '"NULL"' else schema[-1].type
        return ""

    def _typed_sql(self, sql: str, statement: Node, types: Mapping[str, str]) -> str:
        """The query with each parameter cast to its type, so that binding cannot change it."""
        tree = self._cast_parameters(statement["node"], types)
        text = faithful(self._connection, as_statement(tree))
        return text or _edited(sql, statement["node"], types)

    def _cast_parameters(self, tree: Node, types: Mapping[str, str]) -> Node:
        """A copy of a tree in which every parameter of a known type is cast to it."""
        casts = {name: self._cast(type_name) for name, type_name in types.items()}

        def copied(part: object) -> object:
            if isinstance(part, list):
                return [copied(each) for each in part]
            if not isinstance(part, dict):
                return part
            if part.get("class") == "PARAMETER" and part["identifier"] in casts:
                return {**casts[part["identifier"]], "child": part, "alias": part["alias"]}
            return {key: copied(value) for key, value in part.items()}

        result = copied(tree)
        assert isinstance(result, dict)
        return result

    def _cast(self, type_name: str) -> Node:
        """A CAST node to a type, as the parser itself writes it."""
        answer = serialized(self._connection, f"SELECT CAST(NULL AS {type_name})")
        cast: Node = answer["statements"][0]["node"]["select_list"][0]
        return cast


def _two_spellings(sql: str, found: Iterable[tuple[str, Node]]) -> Iterator[Mistake]:
    """Parameters that differ in case only: the engine would take them for one."""
    first: dict[str, str] = {}
    for name, node in found:
        other = first.setdefault(name.lower(), name)
        at = location(node)
        if other != name and at is not None:
            place = line_and_column(sql, at)
            yield Mistake(*place, f"`${name}` is spelled `${other}` elsewhere", "one spelling")


def _edited(sql: str, tree: Node, types: Mapping[str, str]) -> str:
    """The user's text with a cast around each parameter, where the tree cannot be written."""
    data = sql.encode()
    places = [(location(each), each["identifier"]) for each in parameters(tree)]
    for at, name in sorted(((at, name) for at, name in places if at is not None), reverse=True):
        end = at + len(name.encode()) + 1
        cast = f"(CAST({data[at:end].decode()} AS {types[name]}))"
        data = data[:at] + cast.encode() + data[end:]
    return data.decode()


def _untyped(sql: str, found: Sequence[Use], kinds: Sequence[str]) -> Mistake:
    """Why the uses of a parameter give it no type."""
    name = found[0].name
    place = (1, 0) if (at := location(found[0].node)) is None else line_and_column(sql, at)
    said = "its type does not follow from its use"
    if kinds:
        said = f"it is used as {' and as '.join(kinds)}"
    return Mistake(
        *place,
        f"parameter `${name}`: {said}",
        "one type",
        f"say it in the header: params: {{{name}: {{type: …}}}}",
    )


def _mistake(sql: str, error: duckdb.Error) -> Mistake:
    """DuckDB's error about `DESCRIBE sql` as a Mistake in `sql`."""
    text = str(error)
    _, brace, rest = text.partition("{")
    try:
        details: dict[str, str] = msgspec.json.decode(brace + rest)
    except msgspec.DecodeError:
        return Mistake(1, 0, text.splitlines()[0])
    found, _, hint = details.get("exception_message", text).partition("\n")
    hint = " ".join(hint.partition("LINE ")[0].split())
    place = (1, 0)
    if "position" in details:
        offset = max(int(details["position"]) - len(_DESCRIBE), 0)
        place = line_and_column(sql, offset)
    return Mistake(*place, found.rstrip("!. "), fix=hint if len(hint) < _HINT_LENGTH else "")


def _unplaced(mistake: Mistake) -> Mistake:
    return replace(mistake, line=1, column=0)


def _first_uses(sql: str, found: Iterable[tuple[str, Node]]) -> tuple[NameUse, ...]:
    first: dict[str, NameUse] = {}
    for name, node in sorted(found, key=lambda each: location(each[1]) or 0):
        at = location(node)
        line, column = (0, 0) if at is None else line_and_column(sql, at)
        first.setdefault(name.lower(), NameUse(name, line, column))
    return tuple(first.values())
