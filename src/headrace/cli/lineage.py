"""`headrace lineage`: takes a column, draws what it is made of and what is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import click

from headrace.base.errors import UsageError
from headrace.base.names import listed, near_miss
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import faint, print_json, warned
from headrace.pipeline.compile.column_graph import ColumnGraph, ColumnNode, Direction, Edge
from headrace.pipeline.project.loading import find_root
from headrace.pipeline.workspace import open_workspace, trace_workspace

_TITLES: dict[Direction, str] = {"up": "Made of", "down": "Used by"}
# Inside a quoted label of Mermaid these would end it, or be read as markup.
_ESCAPES = str.maketrans({each: f"#{ord(each)};" for each in '"#&<>`\\\n\r'})


@click.command(name="lineage")
@click.argument("column")
@click.option("--up", "only", flag_value="up", help="Only what it is made of.")
@click.option("--down", "only", flag_value="down", help="Only what is made of it.")
@click.option("--mermaid", is_flag=True, help="Print a flowchart in Mermaid's language.")
@environment_option
@project_option
@json_option
def command(
    column: str,
    *,
    only: Direction | None,
    mermaid: bool,
    environment: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Show what COLUMN is made of, and what is made of it, from the source to the API's field.

    COLUMN is `TABLE.COLUMN`, `ENDPOINT.FIELD`, or a table or endpoint for all that it has. The
    project's files are read as they are now; nothing runs. What only chooses rows (WHERE, a join's
    condition, GROUP BY) is not part of a value.
    """
    if mermaid and as_json:
        raise UsageError("`--mermaid` and `--json` are both given; expected one of them")
    workspace = open_workspace(find_root(folder.resolve()))
    graph = trace_workspace(workspace, environment or workspace.project.settings.environment)
    starts = find_columns(graph, column)
    directions: tuple[Direction, ...] = (only,) if only else ("up", "down")
    if not mermaid and not as_json:
        for line in _text(graph, starts, directions):
            click.echo(line)
        return
    edges = [edge for direction in directions for edge in graph.edges(starts, direction)]
    nodes = sorted({*starts, *chain(*edges)}, key=lambda node: node.order)
    if as_json:
        print_json(lineage_json(starts, nodes, edges))
    else:
        click.echo("\n".join(flowchart(nodes, edges)))


def find_columns(graph: ColumnGraph, text: str) -> list[ColumnNode]:
    """The columns that `text` names: one, or all of a table or endpoint.

    A table and an endpoint may have the same name: then the columns of both.

    Raises:
        UsageError: it names none; the message has the near miss.
    """
    owner, dot, name = text.partition(".")
    owned = [node for node in graph.origins if node.owner.lower() == owner.lower()]
    if not owned:
        names = sorted({node.owner for node in graph.origins if node.kind != "quarantine"})
        hint = near_miss(owner, names) or f"they are {listed(names)}"
        raise UsageError(f"{owner!r} is neither a table nor an endpoint of this project; {hint}")
    columns = [node for node in owned if not node.is_gap]
    found = [each for each in columns if not dot or each.name.lower() == name.lower()]
    if found:
        return found
    if waiting := [node.note for node in owned if node.is_gap and "known until" in node.note]:
        raise UsageError(f"{text}: {waiting[0]}; `headrace run` runs it")
    names = list(dict.fromkeys(node.name for node in columns))
    hint = near_miss(name, names) or f"its columns are {listed(names)}"
    raise UsageError(f"{owned[0].owner!r} has no column {name!r}; {hint}")


def _text(
    graph: ColumnGraph, starts: Sequence[ColumnNode], directions: Sequence[Direction]
) -> Iterator[str]:
    """A tree for each column and direction."""
    for position, start in enumerate(starts):
        if position:
            yield ""
        yield _label(start)
        for direction in directions:
            lines = list(tree(graph, start, direction))
            nothing = "nothing that is declared" if _silent(start, direction) else "nothing"
            if len(directions) > 1:
                yield f"{_TITLES[direction]}{'' if lines else f': {nothing}'}"
            elif not lines:
                yield faint(f"{_TITLES[direction].lower()} {nothing}")
            yield from lines


def _silent(start: ColumnNode, direction: Direction) -> bool:
    """Whether nothing is known in a direction, which is not to say that there is nothing."""
    return bool(start.note) and direction == "up"


def tree(graph: ColumnGraph, start: ColumnNode, direction: Direction) -> Iterator[str]:
    """What lies in a direction, one line a column; what has been drawn above is not again."""
    drawn = {start}
    waiting = _branches(graph, start, direction, "")
    while waiting:
        node, prefix, last = waiting.pop()
        again = node in drawn and bool(graph.next(node, direction))
        mark = faint("  see above") if again else ""
        yield f"{prefix}{'└── ' if last else '├── '}{_label(node)}{mark}"
        if not again:
            drawn.add(node)
            below = prefix + ("    " if last else "│   ")
            waiting.extend(_branches(graph, node, direction, below))


def _branches(
    graph: ColumnGraph, node: ColumnNode, direction: Direction, prefix: str
) -> list[tuple[ColumnNode, str, bool]]:
    """The next columns, the first of them at the end: it is drawn next."""
    others = graph.next(node, direction)
    return [(each, prefix, each == others[-1]) for each in reversed(others)]


def _label(node: ColumnNode) -> str:
    kind = f"GET {node.path}" if node.kind == "endpoint" else node.kind
    note = f"  {warned(node.note)}" if node.note else ""
    return f"{click.style(str(node), bold=True)}  {faint(kind)}{note}"


def lineage_json(
    starts: Iterable[ColumnNode], nodes: Iterable[ColumnNode], edges: Iterable[Edge]
) -> dict[str, object]:
    """A part of the graph as JSON values."""
    return {
        "columns": [_id(node) for node in starts],
        "nodes": [
            {
                "id": _id(node),
                "kind": node.kind,
                "name": node.owner,
                "column": node.name or None,
                "path": node.path or None,
                "note": node.note,
            }
            for node in nodes
        ],
        "edges": [{"from": _id(column), "to": _id(made)} for column, made in edges],
    }


def _id(node: ColumnNode) -> str:
    return f"{node.kind}:{node}"


def flowchart(nodes: Sequence[ColumnNode], edges: Iterable[Edge]) -> Iterator[str]:
    """A part of the graph in Mermaid's language: a box for each table, dotted lines into gaps."""
    ids = {node: f"c{position}" for position, node in enumerate(nodes)}
    yield "flowchart LR"
    owners = list(dict.fromkeys((node.kind, node.owner, node.path) for node in nodes))
    for position, owner in enumerate(owners):
        kind, name, path = owner
        yield f"  subgraph t{position}[{_quoted(f'{name} ({path or kind})')}]"
        for node in nodes:
            if (node.kind, node.owner, node.path) == owner:
                yield f"    {ids[node]}[{_quoted(node.name or node.note)}]"
        yield "  end"
    for column, made in edges:
        yield f"  {ids[column]} {'-.->' if made.is_gap else '-->'} {ids[made]}"


def _quoted(text: str) -> str:
    """A text as a label of Mermaid, which knows no escapes but its own entities."""
    return f'"{text.translate(_ESCAPES)}"'
