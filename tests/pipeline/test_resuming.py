"""A run that was killed or has failed is gone on with: what is stored stays, the rest is built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from headrace.base.clock import NotedPauses
from headrace.cli.main import cli
from headrace.observe.events import Event, StepRetried, StepStarted
from headrace.pipeline.run.pace import Pace
from tests.projects import Shop, write_files

REPOSITORY = Path(__file__).parents[2]
DAYS = 4
SHOP = {
    "headrace.toml": 'name = "shop"\nserve.default_access = "public"\n[run]\nworkers = 1\n',
    "data/orders.csv": "id,placed,amount\n"
    + "".join(f"{n},2024-01-0{1 + n % DAYS} 08:00:00,{n}.50\n" for n in range(12)),
    "sources/orders.yaml": """\
        files: data/orders.csv
        partition: {column: placed, by: day}
        columns: {id: int, placed: timestamp, amount: "decimal(12,2)"}
        """,
}
DAILY = """\
    /*
    partition: {column: day, by: day}
    */
    SELECT CAST(placed AS DATE) AS day, sum(amount) AS amount FROM orders GROUP BY ALL
    """
CUSTOMERS = {
    "data/customers.csv": "id,city,at\n" + "".join(f"{n},c{n},{n}\n" for n in range(2)),
    "sources/customers.yaml": """\
        files: data/customers.csv
        mode: changes
        key: id
        cursor: at
        columns: {id: int, city: text, at: int}
        """,
}
# Fails, or is killed, when it is asked for the third day, as long as there is a file `down`.
RATES = """\
    import os, signal
    from pathlib import Path
    import polars as pl
    from headrace import model
    HERE = Path(__file__).parents[1]
    @model(partition={"column": "placed", "by": "day"})
    def rates(orders: pl.DataFrame) -> pl.DataFrame:
        day = str(orders["placed"][0].date())
        with (HERE / "calls").open("a") as calls:
            calls.write(day + "\\n")
        if day == "2024-01-03" and (HERE / "down").exists():
            FAIL
        return orders
    """


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(write_files(tmp_path / "shop", SHOP))


def kills(shop: Shop, table: str) -> list[dict[str, Any]]:
    """What each run left that was killed at a file operation on a table, and what came of it."""
    folder = shop.root.parent / "killed"
    finished = subprocess.run(
        [sys.executable, "-m", "tests.pipeline.killing_cells", str(shop.root), str(folder), table],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    return [json.loads(line) for line in finished.stdout.splitlines()]


def test_a_killed_run_keeps_the_cells_that_are_built_and_the_next_builds_the_others(
    shop: Shop,
) -> None:
    """Killed at each file operation on a table of four cells."""
    shop.write("models/daily.sql", DAILY)
    lines = kills(shop, "daily")
    *killed, completed = lines
    assert len(completed["kept"]) == DAYS
    assert {len(line["kept"]) for line in killed} == set(range(DAYS + 1))
    for line in killed:
        count = len(line["kept"])
        assert set(line["planned"]) == completed["kept"].keys() - line["kept"].keys()
        assert line["reused"] == count
        if 0 < count < DAYS:
            said = f"{count} of 4 cells an earlier run has built already"
            assert line["reasons"] == ["it is new", said]
        assert line["kept"].items() <= line["built"].items()
        assert line["built"] == line["stored"]
        assert line["built"].keys() == completed["built"].keys()
        assert line["published"]["rows"]["daily"] == DAYS


@pytest.mark.parametrize("table", ["orders", "customers"])
def test_a_source_that_is_killed_is_whole_after_the_next_run(shop: Shop, table: str) -> None:
    """A source by day, and one that is put together of changes."""
    write_files(shop.root, CUSTOMERS)
    *killed, completed = kills(shop, table)
    assert len(killed) >= 5
    for line in killed:
        assert line["kept"].items() <= line["built"].items()
        assert line["built"].keys() == completed["built"].keys()
        assert line["published"]["rows"] == completed["published"]["rows"]
        assert line["published"]["content"] == completed["published"]["content"]


def days(shop: Shop) -> list[str]:
    """The days that the function was called for, in order."""
    return (shop.root / "calls").read_text().split()


def test_a_function_that_is_killed_is_called_for_the_remaining_partitions_only(shop: Shop) -> None:
    shop.write("models/rates.py", RATES.replace("FAIL", "os.kill(os.getpid(), signal.SIGKILL)"))
    shop.write("down", "")
    program = "import sys; from pathlib import Path; from tests.pipeline.killing_cells import *; "
    program += "w = open_workspace(Path(sys.argv[1])); "
    program += "build(w, plan_workspace(w, ENVIRONMENT), pace=PACE)"
    died = subprocess.run([sys.executable, "-c", program, str(shop.root)], cwd=REPOSITORY)
    assert died.returncode == -9
    assert days(shop) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    (shop.root / "down").unlink()
    shown = (
        CliRunner().invoke(cli, ["plan", "--project", str(shop.root)], prog_name="headrace").output
    )
    assert "rates  2 of 4 cells (2024-01-03 … 2024-01-04)" in shown
    assert "2 of 4 cells an earlier run has built already" in shown
    assert shop.run().outcome == "published"
    assert days(shop)[3:] == ["2024-01-03", "2024-01-04"]
    assert shop.published().tables["rates"].rows == 12


def test_another_attempt_calls_for_the_remaining_partitions_only(shop: Shop) -> None:
    """And so it is although the time to store what is gathered had not come yet."""
    shop.write("models/rates.py", RATES.replace("FAIL", 'raise ConnectionError("refused")'))
    shop.write("down", "")

    def observe(event: Event) -> None:
        if isinstance(event, StepRetried):
            (shop.root / "down").unlink()

    report = shop.run(observe, pace=Pace(pauses=NotedPauses()))
    assert report.outcome == "published"
    assert days(shop) == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-03", "2024-01-04"]
    version = shop.published().tables["rates"]
    assert (version.rows, len(version.cells), len(version.files)) == (12, DAYS, 2)


def test_the_run_after_one_that_failed_calls_for_the_remaining_partitions_only(shop: Shop) -> None:
    shop.write("models/rates.py", RATES.replace("FAIL", 'raise ValueError("no rate")'))
    shop.write("down", "")
    assert shop.run().failures == ("rates: models/rates.py:12: ValueError: no rate",)
    (shop.root / "down").unlink()
    seen: list[Event] = []
    assert shop.run(seen.append).outcome == "published"
    assert days(shop)[3:] == ["2024-01-03", "2024-01-04"]
    [started] = [each for each in seen if isinstance(each, StepStarted)]
    assert started.reasons == ("it is new", "2 of 4 cells an earlier run has built already")
