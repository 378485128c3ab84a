"""`headrace promote` publishes what was built and checked elsewhere, and nothing that is stale."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import Result

from tests.cli.shops import call
from tests.projects import SHOP, Shop, write_files


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project that is published in prod, and has changed since in dev."""
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    assert run(shop, "run").exit_code == 0
    shop.write("models/cities.sql", "SELECT DISTINCT upper(city) AS city, 1 AS one FROM stores\n")
    assert run(shop, "run", "--env", "dev").exit_code == 0
    return shop


def run(shop: Shop, command: str, *arguments: str) -> Result:
    return call(command, "--project", str(shop.root), *arguments)


def data_files(shop: Shop) -> set[Path]:
    return set((shop.root / ".headrace" / "store" / "data").rglob("*.parquet"))


def test_a_first_run_to_another_environment_builds_nothing_and_copies_nothing(
    tmp_path: Path,
) -> None:
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    run(shop, "run")
    before = data_files(shop)
    result = run(shop, "run", "--env", "dev", "--json")
    events = [json.loads(line)["event"] for line in result.stdout.splitlines()]
    assert "step_started" not in events
    assert run(shop, "environments").stdout.splitlines()[1].endswith("just now  prod")
    assert data_files(shop) == before


def test_partitions_are_shared_and_told_apart(tmp_path: Path) -> None:
    """Dev takes up the partitions that prod has built; a late row shows in its partition only."""
    partition = "partition: {column: ordered_at, by: day}\n"
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    shop.write("sources/orders.yaml", dedent(SHOP["sources/orders.yaml"]) + partition)
    assert run(shop, "run").exit_code == 0
    before = data_files(shop)
    assert run(shop, "run", "--env", "dev").exit_code == 0
    assert data_files(shop) == before
    shop.write(
        "data/orders/late.csv",
        "order_id,store_id,ordered_at,amount\n6,10,2024-01-02 08:00:00,1.00\n",
    )
    run(shop, "run", "--env", "dev")
    lines = run(shop, "diff", "prod", "dev").stdout.splitlines()
    assert "  changed  orders         5 → 6 rows (+1); 1 cell of 4: 2024-01-02" in lines
    assert "orders__quarantine" not in "".join(lines)


def test_a_change_in_one_environment_builds_only_what_it_touches(tmp_path: Path) -> None:
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    run(shop, "run")
    before = data_files(shop)
    shop.write("models/cities.sql", "SELECT city FROM stores\n")
    run(shop, "run", "--env", "dev")
    [new] = data_files(shop) - before
    assert new.parent.name == "cities"
    assert run(shop, "query", "SELECT count(*) AS n FROM cities", "--format", "csv").stdout == (
        "n\n2\n"
    )


def test_what_dev_shows_is_published_in_prod_without_a_new_file(shop: Shop) -> None:
    before = data_files(shop)
    result = run(shop, "promote", "dev", "prod")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Tables",
        "  changed  cities  2 rows as before; its recipe changed; column one (INTEGER) added",
        "published snapshot 2 to prod: the same as dev:1",
    ]
    assert data_files(shop) == before
    assert run(shop, "run").stdout == (
        "Nothing to do: everything is built and published (snapshot 2)\n"
    )
    assert run(shop, "snapshots").stdout.splitlines()[1].endswith("  promoted from dev:1")


def test_a_promotion_can_be_rolled_back(shop: Shop) -> None:
    run(shop, "promote", "dev", "prod")
    assert run(shop, "rollback").stdout.startswith("published snapshot 3 to prod: the same as")


def test_json_has_both_ends_and_the_changes(shop: Shop) -> None:
    shop.write("endpoints/cities.sql", "FROM cities\n")
    run(shop, "run", "--env", "dev")
    answer = json.loads(run(shop, "promote", "dev", "prod", "--json").stdout)
    assert (answer["before"]["number"], answer["promoted"]["number"]) == (1, 2)
    assert answer["published"]["environment"] == "prod"
    assert [each["table"] for each in answer["tables"]] == ["cities"]
    assert [(each["endpoint"], each["kind"]) for each in answer["api"]] == [("cities", "added")]


def test_an_environment_may_be_new(shop: Shop) -> None:
    answer = json.loads(run(shop, "promote", "dev", "staging", "--json").stdout)
    assert (answer["before"], answer["published"]["number"]) == (None, 1)


def test_what_is_stale_is_refused_unless_it_is_meant(shop: Shop) -> None:
    shop.write("models/cities.sql", "SELECT city FROM stores\n")
    result = run(shop, "promote", "dev", "prod")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: dev:1 is not what the project asks for now (cities: its SQL changed);"
        " run `headrace run --env dev` first, or promote it as it is with `--stale`\n"
    )
    shop.write("models/cities.sql", "SELECT nobody FROM stores\n")
    assert run(shop, "promote", "dev", "prod", "--stale").exit_code == 0


def test_rows_that_came_since_are_not_left_out(shop: Shop) -> None:
    shop.write(
        "data/orders/2024-03.csv",
        "order_id,store_id,ordered_at,amount\n6,10,2024-03-01 08:00:00,1.00\n",
    )
    run(shop, "run")
    result = run(shop, "promote", "dev", "prod")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: dev:1 is not what the project asks for now (")


def test_the_same_again_is_refused(shop: Shop) -> None:
    run(shop, "promote", "dev", "prod")
    result = run(shop, "promote", "dev", "prod")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: prod: nothing to promote: snapshot 2 is the same as dev:1 already\n"
    )


def test_an_environment_that_shows_nothing_is_refused(shop: Shop) -> None:
    result = run(shop, "promote", "dve", "prod")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: dve: nothing is published in this environment; expected one of `dev`, `prod`;"
        " did you mean `dev`?\n"
    )


def test_a_table_that_would_lose_every_row_is_refused(tmp_path: Path) -> None:
    """Dev could not tell: nothing was published in it before."""
    shop = Shop(write_files(tmp_path / "shop", SHOP))
    run(shop, "run")
    shop.write("models/cities.sql", "SELECT city FROM stores WHERE city = 'Rome'\n")
    assert run(shop, "run", "--env", "dev").exit_code == 0
    result = run(shop, "promote", "dev", "prod")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: dev:1 cannot be promoted: cities had 2 rows and has none now; if that is right,"
        " say `allow_empty: true`\n"
    )


def test_a_stale_promotion_reads_no_file_of_the_project(shop: Shop) -> None:
    (shop.root / "models" / "broken.sql").write_text("/*\nkeys: a\n*/")
    assert run(shop, "promote", "dev", "prod").exit_code == 2
    assert run(shop, "promote", "dev", "prod", "--stale").exit_code == 0


def test_what_breaks_users_of_the_other_environment_is_refused_until_it_is_accepted(
    shop: Shop,
) -> None:
    path = "endpoints/revenue.sql"
    shop.write(path, SHOP[path].replace("revenue, orders", "revenue"))
    assert run(shop, "run", "--env", "dev", "--accept-breaking", "revenue").exit_code == 0
    refused = run(shop, "promote", "dev", "prod")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[0] == (
        "error: revenue: field orders (BIGINT) removed - breaking, no calls in the last 30 days"
    )
    accepted = run(shop, "promote", "dev", "prod", "--accept-breaking", "revenue")
    assert accepted.exit_code == 0
    assert accepted.stdout.splitlines()[-1] == ("published snapshot 2 to prod: the same as dev:2")
