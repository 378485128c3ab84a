"""A check that each cell passes for itself looks at the cells that are new, and at no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.base.tables import Version
from headrace.engines.duckdb import DuckDBEngine
from headrace.pipeline.building import BuildReport
from tests.projects import Shop, write_files

FILES = {
    "headrace.toml": 'name = "shop"\n',
    "sources/sales.yaml": """\
        files: data/*.csv
        key: [day, id]
        partition: {column: day, by: day}
        columns: {day: date, id: int, store: text, amount: int}
        checks:
        - references: {column: store, to: stores.store}
        - unique: id
        """,
    "sources/stores.yaml": "files: stores.csv\nkey: store\ncolumns: {store: text}\n",
    "models/daily.sql": """\
        /*
        key: day
        partition: {column: day, by: day}
        checks:
        - min: {column: total, value: 0}
        - max: {column: total, value: 100}
          severity: warn
        */
        SELECT day, sum(amount) AS total FROM sales GROUP BY day
        """,
    "stores.csv": "store\na\nb\n",
    "data/1.csv": "day,id,store,amount\n2024-01-01,1,a,5\n2024-01-02,2,b,7\n",
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", FILES))


@contextmanager
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str | None]]]:
    """Table -> the partitions to which its checks were narrowed, while the statement lasts."""
    seen: dict[str, list[str | None]] = {}
    attached = DuckDBEngine.attached

    @contextmanager
    def watching(engine: DuckDBEngine, versions: list[Version], data_root: Path) -> Iterator[None]:
        for version in versions:
            seen[version.table] = [cell.partition for cell in version.cells]
        with attached(engine, versions, data_root):
            yield

    with monkeypatch.context() as patch:
        patch.setattr(DuckDBEngine, "attached", watching)
        yield seen


def results(report: BuildReport) -> dict[str, int]:
    return {check.result.name: check.result.failing for check in report.checks}


def test_a_day_that_is_added_is_checked_alone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,3,a,9\n")
    with looked_at(monkeypatch) as seen:
        report = shop.run()
    assert report.failures == ()
    assert (seen["sales"], seen["daily"]) == (["2024-01-03"], ["2024-01-03"])
    assert set(results(report).values()) == {0}


def test_a_wrong_row_of_a_new_day_is_found_and_shown(shop: Shop) -> None:
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,3,c,9\n")
    report = shop.run()
    [check] = [each for each in report.checks if each.result.failing]
    assert check.result.name == "sales.store: references stores.store"
    assert check.sample == ({"day": "2024-01-03", "id": "3", "store": "c", "amount": "9"},)


def test_a_key_that_comes_twice_in_a_new_day_is_found(shop: Shop) -> None:
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,3,a,9\n2024-01-03,3,a,1\n")
    found = {name: failing for name, failing in results(shop.run()).items() if failing}
    assert found == {"sales: key day, id": 1, "sales.id: unique": 1}


def test_a_key_that_a_late_file_repeats_is_found(shop: Shop) -> None:
    """A day of a source has a cell for each raw file; its key is told over all of them."""
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-01,1,b,9\n2024-01-01,4,a,9\n")
    found = {name: failing for name, failing in results(shop.run()).items() if failing}
    assert found == {"sales: key day, id": 1, "sales.id: unique": 1}


def test_a_key_that_a_copy_of_a_file_repeats_is_found(shop: Shop) -> None:
    shop.run()
    shop.write("data/2.csv", FILES["data/1.csv"])
    found = {name: failing for name, failing in results(shop.run()).items() if failing}
    assert found == {"sales: key day, id": 2, "sales.id: unique": 2}


def test_what_looks_beyond_a_cell_still_finds_it(shop: Shop) -> None:
    """The id is unique over all days, the key only within one."""
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,1,a,9\n")
    assert {name: n for name, n in results(shop.run()).items() if n} == {"sales.id: unique": 1}


def test_a_reference_to_its_own_table_is_held_against_all_cells(shop: Shop) -> None:
    path = "models/daily.sql"
    shop.write(
        path,
        """\
        /*
        partition: {column: day, by: day}
        checks:
        - references: {column: first, to: daily.day}
        */
        SELECT day, DATE '2024-01-01' AS first FROM sales
        """,
    )
    assert shop.run().failures == ()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,3,a,9\n")
    assert shop.run().failures == ()
    shop.write("data/1.csv", "day,id,store,amount\n2024-01-02,2,b,7\n")
    [failure] = shop.run().failures
    assert failure == "daily.first: references daily.day: 2 wrong rows"


def test_a_source_that_only_checks_read_is_published_with_their_results(shop: Shop) -> None:
    (shop.root / "models/daily.sql").unlink()
    query = "SELECT a.id FROM sales a JOIN sales b ON a.id = b.id WHERE a.day < b.day\n"
    shop.write("checks/moved.sql", query)
    report = shop.run()
    assert report.outcome == "published"
    kept = {check.name for check in shop.published().checks.values()}
    assert kept >= {"moved", "sales: key day, id", "sales.store: references stores.store"}
    assert shop.plan().nothing_to_do
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,1,a,9\n")
    assert results(shop.run())["moved"] == 1


def test_when_the_other_table_changed_every_cell_is_looked_at(shop: Shop) -> None:
    shop.run()
    shop.write("stores.csv", "store\na\n")
    found = {name: failing for name, failing in results(shop.run()).items() if failing}
    assert found == {"sales.store: references stores.store": 1}


def test_a_warning_is_counted_over_the_whole_table(shop: Shop) -> None:
    """Wrong rows of before are still wrong rows: nothing is narrowed until there are none."""
    shop.write("data/1.csv", "day,id,store,amount\n2024-01-01,1,a,500\n2024-01-02,2,b,7\n")
    shop.run()
    shop.write("data/2.csv", "day,id,store,amount\n2024-01-03,3,a,600\n")
    assert results(shop.run())["daily.total: max 100"] == 2
    shop.write("data/1.csv", "day,id,store,amount\n2024-01-01,1,a,5\n2024-01-02,2,b,7\n")
    assert results(shop.run())["daily.total: max 100"] == 1


def test_a_changed_rule_looks_at_every_cell(shop: Shop) -> None:
    shop.run()
    path = "models/daily.sql"
    shop.write(path, FILES[path].replace("value: 0", "value: 6"))
    assert results(shop.run()) == {"daily.total: min 6": 1}


SET_ASIDE = """\
/*
partition: {column: day, by: day}
tolerance: 100 %
checks:
- {min: {column: amount, value: 0}, severity: quarantine}
- {key: [day, id], severity: quarantine}
*/
SELECT day, id, amount FROM sales
"""


def test_rows_of_a_partitioned_model_are_set_aside_cell_by_cell(shop: Shop) -> None:
    shop.write("models/good.sql", SET_ASIDE)
    shop.write(
        "sources/sales.yaml",
        "files: data/*.csv\npartition: {column: day, by: day}\n"
        "columns: {day: date, id: int, store: text, amount: int}\n",
    )
    assert shop.run().failures == ()
    before = {each: shop.published().tables[each].cells for each in ("good", "good__quarantine")}
    shop.write(
        "data/2.csv",
        "day,id,store,amount\n2024-01-03,3,a,9\n2024-01-03,3,a,1\n2024-01-03,4,a,-1\n2024-01-03,5,a,1\n",
    )
    assert shop.run().failures == ()
    tables = shop.published().tables
    assert (tables["good"].rows, tables["good__quarantine"].rows) == (3, 3)
    for name, cells in before.items():
        assert [cell.partition for cell in cells] == ["2024-01-01", "2024-01-02"]
        assert tables[name].cells[:2] == cells
