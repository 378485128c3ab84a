"""`headrace lineage` draws where a value comes from and where it goes, and guesses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from headrace.cli.lineage import flowchart
from headrace.pipeline.compile.column_graph import ColumnNode
from tests.cli.shops import call
from tests.projects import SHOP, write_files

SEGMENTS = """\
    from headrace import model
    import pyarrow as pa

    @model(lineage={"city": "stores.city"})
    def segments(stores: pa.Table) -> pa.Table:
        return stores.append_column("rank", pa.array(range(len(stores))))
    """


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "shop", SHOP | {"models/segments.py": SEGMENTS})


def lineage(root: Path, *arguments: str) -> Result:
    return call("lineage", "--project", str(root), *arguments)


def shown(root: Path, *arguments: str) -> list[str]:
    result = lineage(root, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout.splitlines()


def test_both_directions_from_the_source_to_the_field_of_the_api(root: Path) -> None:
    assert shown(root, "daily_revenue.revenue") == [
        "daily_revenue.revenue  model",
        "Made of",
        "└── orders.amount  source",
        "Used by",
        "├── store_revenue.revenue  model",
        "└── revenue.revenue  GET /stores/{store_id}/revenue",
    ]


def test_one_direction(root: Path) -> None:
    assert shown(root, "orders.amount", "--down") == [
        "orders.amount  source",
        "└── daily_revenue.revenue  model",
        "    ├── store_revenue.revenue  model",
        "    └── revenue.revenue  GET /stores/{store_id}/revenue",
    ]
    assert shown(root, "revenue.revenue", "--up") == [
        "revenue.revenue  GET /stores/{store_id}/revenue",
        "└── daily_revenue.revenue  model",
        "    └── orders.amount  source",
    ]


def test_a_way_that_ends_at_once_says_so(root: Path) -> None:
    assert shown(root, "orders.order_id") == [
        "orders.order_id  source",
        "Made of: nothing",
        "Used by: nothing",
    ]
    assert shown(root, "orders.order_id", "--down") == [
        "orders.order_id  source",
        "used by nothing",
    ]


def test_a_table_shows_each_of_its_columns(root: Path) -> None:
    lines = shown(root, "store_revenue", "--up")
    assert [line.split()[0] for line in lines if line[:1].isalpha()] == [
        "store_revenue.store_id",
        "store_revenue.city",
        "store_revenue.revenue",
    ]


def test_what_is_drawn_above_is_not_drawn_again(root: Path) -> None:
    diamond = {
        "models/left.sql": "SELECT revenue AS a FROM daily_revenue",
        "models/right.sql": "SELECT revenue AS b FROM daily_revenue",
        "models/tip.sql": "SELECT a + b AS c FROM left_ POSITIONAL JOIN right_",
    }
    diamond["models/left_.sql"] = diamond.pop("models/left.sql")
    diamond["models/right_.sql"] = diamond.pop("models/right.sql")
    write_files(root, diamond)
    assert shown(root, "tip.c", "--up") == [
        "tip.c  model",
        "├── left_.a  model",
        "│   └── daily_revenue.revenue  model",
        "│       └── orders.amount  source",
        "└── right_.b  model",
        "    └── daily_revenue.revenue  model  see above",
    ]


def test_a_python_model_that_never_ran_says_so_and_one_that_did_shows_what_is_not_declared(
    root: Path,
) -> None:
    assert "├── segments  model  its columns are not known until it has run" in shown(
        root, "stores.store_id", "--down"
    )
    result = lineage(root, "segments.rank")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: segments.rank: its columns are not known until it has run; `headrace run` runs it\n"
    )
    assert call("run", "--project", str(root)).exit_code == 0
    assert shown(root, "segments.rank", "--up") == [
        "segments.rank  model  what it is made of is not declared",
        "made of nothing that is declared",
    ]
    assert shown(root, "segments.city", "--up") == [
        "segments.city  model",
        "└── stores.city  source",
    ]
    assert "├── segments  model  what `store_id`, `rank` is made of is not declared" in shown(
        root, "stores.store_id", "--down"
    )


def test_declaring_lineage_builds_nothing_again(root: Path) -> None:
    call("run", "--project", str(root))
    declared = SEGMENTS.replace("stores.city", "stores.store_id")
    write_files(root, {"models/segments.py": declared})
    assert call("run", "--project", str(root)).stdout.startswith("Nothing to do")
    assert shown(root, "segments.city", "--up")[1] == "└── stores.store_id  source"


def test_json_has_nodes_and_edges(root: Path) -> None:
    answer = json.loads("".join(shown(root, "revenue.revenue", "--json")))
    assert answer == {
        "columns": ["endpoint:revenue.revenue"],
        "nodes": [
            {
                "id": "source:orders.amount",
                "kind": "source",
                "name": "orders",
                "column": "amount",
                "path": None,
                "note": "",
            },
            {
                "id": "model:daily_revenue.revenue",
                "kind": "model",
                "name": "daily_revenue",
                "column": "revenue",
                "path": None,
                "note": "",
            },
            {
                "id": "endpoint:revenue.revenue",
                "kind": "endpoint",
                "name": "revenue",
                "column": "revenue",
                "path": "/stores/{store_id}/revenue",
                "note": "",
            },
        ],
        "edges": [
            {"from": "source:orders.amount", "to": "model:daily_revenue.revenue"},
            {"from": "model:daily_revenue.revenue", "to": "endpoint:revenue.revenue"},
        ],
    }


def test_mermaid_is_a_flowchart_with_a_box_for_each_table(root: Path) -> None:
    assert shown(root, "stores.city", "--down", "--mermaid") == [
        "flowchart LR",
        '  subgraph t0["stores (source)"]',
        '    c0["city"]',
        "  end",
        '  subgraph t1["cities (model)"]',
        '    c1["city"]',
        "  end",
        '  subgraph t2["segments (model)"]',
        '    c2["its columns are not known until it has run"]',
        '    c3["city"]',
        "  end",
        '  subgraph t3["store_revenue (model)"]',
        '    c4["city"]',
        "  end",
        "  c0 --> c1",
        "  c0 -.-> c2",
        "  c0 --> c3",
        "  c0 --> c4",
    ]


def test_labels_of_mermaid_cannot_end_early_or_be_markup() -> None:
    odd = ColumnNode("source", "t", 'a "b" <i>#1\n`&\\')
    assert list(flowchart([odd], []))[2] == ('    c0["a #34;b#34; #60;i#62;#35;1#10;#96;#38;#92;"]')


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "order.amount",
            "'order' is neither a table nor an endpoint of this project; did you mean `orders`?",
        ),
        ("orders.amout", "'orders' has no column 'amout'; did you mean `amount`?"),
        (
            "cities.x",
            "'cities' has no column 'x'; its columns are `city`",
        ),
    ],
)
def test_what_is_not_there_is_the_users_mistake(root: Path, name: str, said: str) -> None:
    result = lineage(root, name)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {said}\n")


def test_names_are_compared_without_case(root: Path) -> None:
    assert shown(root, "ORDERS.Amount", "--up")[0] == "orders.amount  source"


def test_two_formats_at_once_are_refused(root: Path) -> None:
    result = lineage(root, "orders", "--json", "--mermaid")
    assert result.exit_code == 2
    assert "`--mermaid` and `--json` are both given; expected one of them" in result.stderr
