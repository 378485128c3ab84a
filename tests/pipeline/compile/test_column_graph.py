"""The column graph goes from source columns to API fields, and says where it does not know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from headrace.base.declarations import (
    ColumnContract,
    ColumnOrigins,
    Endpoint,
    Model,
    PythonFunction,
)
from headrace.base.errors import Place
from headrace.pipeline.compile.cache import CompileCache
from headrace.pipeline.compile.column_graph import ColumnGraph, ColumnNode, column_graph
from headrace.pipeline.compile.compiling import compile_project
from tests.pipeline.compile.projects import endpoint, model, problems, project
from tests.projects import SHOP, Shop, write_files

DAILY = model("daily", "SELECT day, sum(amount * qty) AS revenue FROM orders GROUP BY day")
BEST = model("best", "SELECT day, revenue FROM daily WHERE revenue > 10")
REVENUE = endpoint("daily", "SELECT day, revenue AS total FROM best", path="/daily")


def traced(*parts: Model | Endpoint, root: Path = Path()) -> ColumnGraph:
    """The column graph of a project with the given declarations."""
    cache = CompileCache()
    return column_graph(compile_project(project(root, *parts), cache, {}), cache)


def node(graph: ColumnGraph, name: str, kind: str = "") -> ColumnNode:
    """The column of that name."""
    [found] = [each for each in graph.origins if str(each) == name and kind in each.kind]
    return found


def said(nodes: tuple[ColumnNode, ...]) -> list[str]:
    """Kind, name and note of columns."""
    return [f"{each.kind} {each}{': ' if each.note else ''}{each.note}" for each in nodes]


def test_each_column_has_the_columns_one_step_away() -> None:
    graph = traced(DAILY, BEST, REVENUE)
    revenue = node(graph, "daily.revenue")
    assert said(graph.next(revenue, "up")) == ["source orders.amount", "source orders.qty"]
    assert said(graph.next(revenue, "down")) == ["model best.revenue"]
    assert said(graph.next(node(graph, "daily.total"), "up")) == ["model best.revenue"]
    assert graph.next(node(graph, "orders.status"), "down") == ()


def test_what_only_chooses_rows_is_no_part_of_a_value() -> None:
    graph = traced(model("few", "SELECT order_id FROM orders WHERE amount > 1"))
    assert graph.next(node(graph, "orders.amount"), "down") == ()


def test_the_edges_go_all_the_way_and_in_the_direction_of_the_data() -> None:
    graph = traced(DAILY, BEST, REVENUE)
    edges = graph.edges([node(graph, "orders.amount")], "down")
    assert [(str(column), str(made)) for column, made in edges] == [
        ("orders.amount", "daily.revenue"),
        ("best.revenue", "daily.total"),
        ("daily.revenue", "best.revenue"),
    ]
    up = graph.edges([node(graph, "daily.total")], "up")
    assert set(edges) < set(up)


def test_an_edge_that_is_reached_twice_is_there_once() -> None:
    twice = model("twice", "SELECT a.revenue + b.revenue AS r FROM daily AS a, best AS b")
    graph = traced(DAILY, BEST, twice)
    edges = graph.edges([node(graph, "orders.amount"), node(graph, "orders.qty")], "down")
    assert len(edges) == len(set(edges)) == 5


def test_a_table_and_an_endpoint_of_one_name_are_two() -> None:
    graph = traced(DAILY, BEST, REVENUE)
    assert node(graph, "daily.day", "model") != node(graph, "daily.day", "endpoint")
    assert node(graph, "daily.day", "endpoint").path == "/daily"


def python_model(root: Path, columns: str = "", **lineage: list[str]) -> Model:
    """A Python model over `orders` in models/seg.py: the columns and lineage that it declares."""
    write_files(root, {"models/seg.py": "def seg(orders): return orders\n"})
    place = Place("models/seg.py", 3)
    declared = tuple(
        ColumnOrigins(column, place, tuple((origin, place) for origin in origins))
        for column, origins in lineage.items()
    )
    return Model(
        "seg",
        Place("models/seg.py", 1),
        function=PythonFunction("seg", (("orders", "arrow"),), declared),
        columns=tuple(ColumnContract(name, "VARCHAR", place) for name in columns.split()),
    )


AFTER = model("after", "SELECT who, score FROM seg")
ALL = endpoint("all", "FROM after")


def test_declared_lineage_is_followed_and_its_names_are_spelled_as_the_tables_spell_them(
    tmp_path: Path,
) -> None:
    seg = python_model(tmp_path, "who score", Who=["ORDERS.Status"], score=["orders.amount"])
    graph = traced(seg, AFTER, ALL, root=tmp_path)
    who = node(graph, "seg.who")
    assert said(graph.next(who, "up")) == ["source orders.status"]
    assert said(graph.next(who, "down")) == ["model after.who"]
    assert said(graph.next(node(graph, "orders.amount"), "down")) == ["model seg.score"]


def test_declared_lineage_goes_on_to_the_sources_in_an_endpoints_contract(tmp_path: Path) -> None:
    seg = python_model(tmp_path, "who score", who=["orders.status", "orders.qty"])
    graph = compile_project(project(tmp_path, seg, AFTER, ALL), CompileCache(), {})
    assert graph.endpoints[0].lineage == {
        "who": ("orders.qty", "orders.status"),
        "score": ("seg.score",),
    }


def test_what_is_not_declared_is_said_and_never_guessed(tmp_path: Path) -> None:
    seg = python_model(tmp_path, "who score flat", who=["orders.status"], flat=[])
    graph = traced(seg, AFTER, root=tmp_path)
    assert said((node(graph, "seg.score"),)) == [
        "model seg.score: what it is made of is not declared"
    ]
    assert node(graph, "seg.flat").note == ""
    assert said(graph.next(node(graph, "orders.qty"), "down")) == [
        "model seg: what `score` is made of is not declared"
    ]
    assert graph.next(node(graph, "seg.score"), "up") == ()
    assert graph.next(node(graph, "seg"), "down") == ()


def test_what_waits_for_a_python_model_says_so(tmp_path: Path) -> None:
    graph = traced(python_model(tmp_path, who=["orders.status"]), AFTER, ALL, root=tmp_path)
    assert said(graph.next(node(graph, "orders.qty"), "down")) == [
        "model seg: its columns are not known until it has run"
    ]
    assert said(graph.next(node(graph, "orders.status"), "down")) == [
        "model seg: its columns are not known until it has run",
        "model seg.who",
    ]
    assert said(graph.next(node(graph, "seg.who"), "down")) == [
        "model after: its columns are not known until `seg` has run",
    ]
    assert node(graph, "all").note == "its fields are not known until `seg` has run"


def test_a_column_of_a_model_that_never_ran_is_taken_as_declared(tmp_path: Path) -> None:
    write_files(tmp_path, {"models/top.py": "def top(seg): return seg\n"})
    place = Place("models/top.py", 1)
    declared = (ColumnOrigins("best", place, (("SEG.Score", place),)),)
    made = PythonFunction("top", (("seg", "arrow"), ("after", "arrow")), declared)
    seg, top = python_model(tmp_path), Model("top", place, function=made)
    graph = traced(seg, AFTER, top, endpoint("both", "FROM after, top, stores"), root=tmp_path)
    score = node(graph, "seg.Score")
    assert said(graph.next(score, "down")) == ["model top.best"]
    assert node(graph, "both").note == "its fields are not known until `seg`, `top` have run"


def test_declared_lineage_does_not_change_the_address(tmp_path: Path) -> None:
    recipes = {
        compile_project(project(tmp_path, seg), CompileCache(), {}).relation("seg").recipe
        for seg in (python_model(tmp_path, "who"), python_model(tmp_path, "who", who=[]))
    }
    assert len(recipes) == 1


def test_declared_lineage_names_inputs_and_columns_that_are_there(tmp_path: Path) -> None:
    seg = python_model(
        tmp_path,
        "who",
        whom=["orders.qty"],
        who=["orders.stats", "order.qty", "stores.name", "x.y"],
    )
    assert sorted(problems(seg, root=tmp_path)) == [
        "models/seg.py:3: lineage: `orders` has no column `stats`; did you mean `status`?",
        "models/seg.py:3: lineage: `seg` has no column `whom`; did you mean `who`?",
        "models/seg.py:3: lineage: the model does not read `order`; did you mean `orders`?",
        "models/seg.py:3: lineage: the model does not read `stores`; take it as a parameter",
        "models/seg.py:3: lineage: the model does not read `x`; its inputs are `orders`",
    ]


def test_no_engine_is_imported_for_what_the_cache_knows(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    shop.plan()
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from headrace.pipeline.workspace import open_workspace, trace_workspace\n"
        f"graph = trace_workspace(open_workspace(Path({str(shop.root)!r})), 'prod')\n"
        "print('duckdb' in sys.modules, any(str(e) == 'revenue.revenue' for e in graph.origins))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
