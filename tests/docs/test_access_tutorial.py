"""The tutorial of docs/access.md, followed step by step, ends where its page says.

On the last days of the demo alone: all of them would take a minute. That of the page is among them.
"""

from __future__ import annotations

import asyncio
import re
from datetime import date
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from headrace.base.errors import ProjectError
from headrace.cli.demo import raw_data
from headrace.cli.demo.writing import write_demo
from headrace.pipeline.building import build
from headrace.pipeline.workspace import open_workspace, plan_workspace
from headrace.serve import Service, create_app
from tests.accounts import key_for
from tests.cli.shops import call

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
TUTORIAL = PAGE[: PAGE.index("## Declaring who may ask")]
DAYS = [date(2025, 12, number) for number in range(25, 32)]


def block(language: str, after: str) -> str:
    """The first code block of that language after some text of the tutorial."""
    found = re.search(rf"```{language}\n(.*?)```", TUTORIAL[TUTORIAL.index(after) :], re.DOTALL)
    assert found is not None
    return found[1]


def said(command: str) -> str:
    """What the page says that a command prints, in one line."""
    found = re.search(
        rf"^\$ {re.escape(command)}\n(.*?)(?=^\$ |```)", TUTORIAL, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return " ".join(found[1].split())


def publish(root: Path) -> str:
    workspace = open_workspace(root)
    return build(workspace, plan_workspace(workspace, "prod")).outcome


def get(service: Service, target: str, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app=service)
        async with httpx.AsyncClient(transport=transport, base_url="http://demo") as client:
            return await client.get(target, headers=headers)

    return asyncio.run(answer())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "coffee"
    monkeypatch.setattr(raw_data, "days", lambda: DAYS)
    write_demo(root)
    (root / raw_data.LATE_FILE).unlink()
    daily = root / "models/daily_revenue.sql"
    daily.write_text(daily.read_text().replace("min: 7000", "min: 1"))
    return root


@pytest.mark.slow
def test_the_tutorial_can_be_followed(root: Path) -> None:
    assert publish(root) == "published"
    store = open_workspace(root).store
    keys = {
        "HAGA": key_for(store, "haga", "store_manager", store_id=7),
        "NORDIC": key_for(store, "nordic", "franchisee", tenant="nordic"),
        "OFFICE": key_for(store, "office", "analyst"),
        "MAILING": key_for(store, "mailing", "crm"),
    }
    rules = dedent(block("yaml", "**3."))
    assert rules in (root / "models/daily_revenue.sql").read_text()
    project = ("-C", str(root))
    checked = call("access", "check", "store_orders", "--as", "nordic", *project)
    assert checked.exit_code == 1
    words = "headrace access check store_orders --as nordic"
    assert " ".join(checked.stdout.split()) == said(words)
    sql = "SELECT DISTINCT store_id FROM daily_revenue ORDER BY 1"
    rows = call("query", "--as", "nordic", sql, *project)
    assert " ".join(rows.stdout.split()) == said(f'headrace query --as nordic "{sql}"')

    model = block("sql", "**4.")
    (root / "models/channel_days.sql").write_text(model)
    with pytest.raises(ProjectError) as caught:
        publish(root)
    errors = " ".join(f"error: {problem}" for problem in caught.value.problems)
    page = " ".join(block("console", "So it does not compile:").split())
    assert page == f"$ headrace run {errors}"

    header = block("yaml", "Do as it says")
    (root / "models/channel_days.sql").write_text(model.replace("*/", f"{header}*/", 1))
    (root / "endpoints/channels.sql").write_text(block("sql", "**5."))
    (root / "tests/channels.yaml").write_text(block("yaml", "**6."))
    assert publish(root) == "published"
    service = create_app(store, "prod")
    service.refresh()
    try:
        for who, key in keys.items():
            answer = get(service, "/channels", key)
            if who == "MAILING":
                assert answer.status_code == 404
            else:
                assert answer.text.strip() == said(f"ask ${who} /channels")
        for target in ("/stores/7/revenue?since=2025-12-31", "/stores/8/revenue?since=2025-12-31"):
            answer = get(service, target, keys["HAGA"])
            assert answer.text.strip() == said(f"ask $HAGA '{target}'")
        assert (get(service, "/stores/7/revenue")).status_code == 401
        assert (get(service, "/stores/leaderboard")).status_code == 200
    finally:
        service.close()
    tested = call("test", *project, "channels")
    assert (tested.exit_code, "2 tests passed" in tested.stdout) == (0, True), tested.output

    ranking = root / "endpoints/product_ranking.sql"
    ranking.write_text(ranking.read_text().replace("access: public", "access: [analyst, crm]"))
    planned = call("plan", *project)
    assert planned.exit_code == 2
    assert block("", "that breaks users, so it is refused").strip() in planned.stdout
