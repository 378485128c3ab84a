"""The tutorial's files, taken from its page, make a project that runs as the page says."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from headrace.cli.new import write_skeleton
from headrace.pipeline.building import build
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.testing.running import open_suite

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")


def block(language: str, after: str) -> str:
    """The first code block of that language after some text of the page."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE[PAGE.index(after) :], re.DOTALL)
    assert found is not None
    return found[1]


def rows_built(root: Path) -> dict[str, tuple[int, int]]:
    """Run the project: rows and quarantined rows of each table that was built."""
    workspace = open_workspace(root)
    report = build(workspace, plan_workspace(workspace, "prod"))
    return {step.table: (step.rows, step.quarantined) for step in report.steps}


def outcome(root: Path) -> str:
    """Run the project: how it ended."""
    workspace = open_workspace(root)
    return build(workspace, plan_workspace(workspace, "prod")).outcome


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    write_skeleton(root)
    assert rows_built(root) == {"orders": (42, 0), "daily_revenue": (42, 0)}

    (root / "data/stores.csv").write_text(block("", "Put them into `data/stores.csv`"))
    (root / "sources/stores.yaml").write_text(block("yaml", "`sources/stores.yaml` read"))
    (root / "models/city_revenue.sql").write_text(block("sql", "## 4."))
    (root / "checks/revenue_is_complete.sql").write_text(block("sql", "## 5."))
    (root / "endpoints/city_revenue.sql").write_text(block("sql", "## 6."))
    assert rows_built(root) == {"stores": (2, 0), "city_revenue": (4, 0)}

    assert plan_workspace(open_workspace(root), "prod").not_served == ()

    tests = root / "tests/city_revenue.yaml"
    tests.write_text(block("yaml", "## 9."))
    with closing(open_suite(root)) as suite:
        outcomes = list(suite.run(suite.tests))
    assert [(each.test.place.file, each.passed) for each in outcomes] == [
        ("tests/city_revenue.yaml", True),
        *[("tests/daily_revenue.yaml", True)] * 3,
    ]

    bad = block("", "Write a file `data/orders/2024-03.csv`")
    march = root / "data/orders/2024-03.csv"
    march.write_text(bad)
    assert outcome(root) == "failed"
    march.write_text(bad.replace("abc", "3.90").replace("lattte", "latte"))
    assert rows_built(root)["orders"] == (45, 1)
