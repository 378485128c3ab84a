"""`headrace sources infer` writes a contract that the data fits, and never over another."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from headrace.base.errors import UsageError
from headrace.cli import sources
from headrace.cli.sources import declared_files, source_name
from headrace.pipeline.project.loading import load_project
from tests.cli.shops import Shop

STORES = "store_id,name,opened_on\n1,North,2020-02-29\n2,South,2021-01-01\n"


@pytest.fixture
def shop_with_stores(shop: Shop) -> Shop:
    """A project with a raw file, and no source."""
    (shop.root / "data").mkdir()
    (shop.root / "data" / "stores.csv").write_text(STORES)
    return shop


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(sources).failed == 0


def test_what_is_written_is_a_source_that_loads(shop_with_stores: Shop) -> None:
    shop = shop_with_stores
    result = shop.call_below("sources", "infer", "data/stores.csv", "--write")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "wrote sources/stores.yaml: read it, then `headrace run`\n"
    [source] = load_project(shop.root).sources
    assert source.name == "stores"
    assert [(column.name, column.type) for column in source.columns] == [
        ("store_id", "BIGINT"),
        ("name", "VARCHAR"),
        ("opened_on", "DATE"),
    ]


def test_it_prints_what_it_would_write(shop_with_stores: Shop) -> None:
    shop = shop_with_stores
    printed = shop.call_below("sources", "infer", "data/*.csv", "--name", "shops").stdout
    shop.call_below("sources", "infer", "data/*.csv", "--name", "shops", "--write")
    assert (shop.root / "sources" / "shops.yaml").read_text() == printed


def test_a_source_without_columns_is_named(shop_with_stores: Shop) -> None:
    shop = shop_with_stores
    (shop.root / "sources").mkdir()
    (shop.root / "sources" / "shops.yaml").write_text("files: data/stores.csv\n")
    result = shop.call_below("sources", "infer", "shops", "--write", "--force")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [source.name for source in load_project(shop.root).sources] == ["shops"]


def test_a_file_that_is_there_stays(shop_with_stores: Shop) -> None:
    shop = shop_with_stores
    (shop.root / "sources").mkdir()
    target = shop.root / "sources" / "stores.yaml"
    target.write_text("# mine\nfiles: data/stores.csv\n")
    result = shop.call_below("sources", "infer", "data/stores.csv", "--write")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: {target} exists; expected a new file; --force replaces it, --name writes another\n"
    )
    assert target.read_text().startswith("# mine")


def test_a_source_without_files_says_what_to_add(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text("key: id\n")
    with pytest.raises(UsageError) as error:
        declared_files(path)
    assert str(error.value) == (
        f"{path}: `files` is None; expected a path or a list of paths;"
        " add it, as in `files: data/orders/*.csv`"
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("data/orders/*.csv", "orders"),
        ("Stores.csv.gz", "stores"),
        ("data/2024/sales-[ab].csv", "data"),
        ("/srv/raw files/*", "raw_files"),
    ],
)
def test_the_name_is_that_of_the_file_or_the_folder(pattern: str, name: str) -> None:
    assert source_name(pattern) == name


def test_a_pattern_that_names_nothing_asks_for_a_name() -> None:
    with pytest.raises(UsageError) as error:
        source_name("*.csv")
    assert str(error.value) == "'*.csv' gives no name; expected --name, as in `--name orders`"
