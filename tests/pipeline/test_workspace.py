"""A workspace is a project's folder with its store; asking it for a plan costs next to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from headrace.base.clock import SetClock
from headrace.base.errors import NotFound, ProjectError, SourceError, UsageError
from headrace.pipeline.workspace import open_workspace, plan_workspace
from tests.projects import SHOP, Shop, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def test_the_store_is_where_the_settings_say(shop: Shop) -> None:
    assert open_workspace(shop.root).store.root == shop.root / ".headrace/store"
    shop.write("headrace.toml", 'name = "shop"\n[store]\npath = "elsewhere"\n')
    assert open_workspace(shop.root).store.root == shop.root / "elsewhere"
    assert (shop.root / "elsewhere/refs").is_dir()


def test_the_clock_is_the_stores(shop: Shop) -> None:
    clock = SetClock(datetime(2024, 5, 6, tzinfo=UTC))
    workspace = open_workspace(shop.root, clock=clock)
    assert workspace.store.clock is clock


def test_a_project_with_mistakes_is_not_opened(shop: Shop) -> None:
    shop.write("sources/orders.yaml", "fils: data/*.csv\n")
    with pytest.raises(ProjectError):
        open_workspace(shop.root)
    assert not (shop.root / ".headrace").exists()


def test_a_source_without_files_ends_the_plan(shop: Shop) -> None:
    (shop.root / "data/stores.csv").unlink()
    with pytest.raises(SourceError, match=r"^sources/stores\.yaml:1: no file matches"):
        plan_workspace(open_workspace(shop.root), "prod")


def test_an_environment_must_have_a_name(shop: Shop) -> None:
    with pytest.raises(UsageError):
        plan_workspace(open_workspace(shop.root), "../prod")


@pytest.mark.parametrize("name", ["fingerprints.json", "compiled.json"])
@pytest.mark.parametrize("text", [None, "", "{", '{"made_by": 3}'])
def test_a_cache_may_be_lost_or_damaged_at_any_time(
    shop: Shop, name: str, text: str | None
) -> None:
    shop.run()
    path = open_workspace(shop.root).cache / name
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_text(text)
    assert shop.plan().nothing_to_do


def test_a_published_python_models_columns_are_known_again(shop: Shop) -> None:
    shop.write(
        "models/wide.py",
        "import pyarrow as pa\nfrom headrace import model\n"
        "@model\ndef wide(stores: pa.Table) -> pa.Table:\n    return stores\n",
    )
    shop.write("models/narrow.sql", "SELECT city FROM wide\n")
    assert shop.plan().deferred == ("wide", "narrow")
    shop.run()
    assert shop.plan().deferred == ()
    assert Shop(shop.root, "dev").plan().deferred == ()
    with pytest.raises(NotFound):
        shop.store.ref("dev", 1)
