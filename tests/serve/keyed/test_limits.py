"""What is found by key is the query's to answer where that takes long, or the page is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from headrace.serve.keyed.limits import MOST_ENTRIES, NotByKey
from headrace.serve.keyed.reader import KeyedReader
from headrace.store.keyed_folder import Copy
from headrace.store.snapshots import Bound, KeyedQuery, KeyPart, Rollup, RollupField
from tests.keyed import Shelf, columns
from tests.projects import Shop, served, write_files
from tests.serve.shop import Client

MANY = MOST_ENTRIES + 1
ROWS = f"""
SELECT CAST(i < {MANY} AS INTEGER) AS few, CAST(i AS INTEGER) AS n FROM range({MANY + 3}) AS t(i)
"""
LISTED = KeyedQuery("SELECT few, n, n FROM t", (KeyPart("INTEGER"), KeyPart("INTEGER")), ("few",))
FEW, MOST = {"few": 0}, {"few": 1}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    with Shelf.open(tmp_path_factory.mktemp("shelf") / "store") as shelf:
        yield shelf


def opened(shelf: Shelf, keyed: KeyedQuery, **types: str) -> KeyedReader:
    """The rows of a query over `ROWS`."""
    version = shelf.version("t", ROWS)
    contract = shelf.contract([version], keyed, columns(**types))
    snapshot = shelf.snapshot([version], contract)
    shelf.build(snapshot)
    return KeyedReader.open(shelf.copy(snapshot).path, contract)


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_are_counted_with_those_before_them(shelf: Shelf, *, reverse: bool) -> None:
    reader = opened(shelf, replace(LISTED, reverse=reverse), n="INTEGER")
    with pytest.raises(NotByKey):
        reader.rows(MOST, 0, 0)
    with pytest.raises(NotByKey):
        reader.rows(MOST, 10, MANY)
    with pytest.raises(NotByKey):
        reader.rows(MOST, 10_000_000, 1)
    with pytest.raises(NotByKey):
        reader.page(MOST, MANY, None)
    assert len(reader.rows(MOST, MOST_ENTRIES, 0)) == MOST_ENTRIES
    assert len(reader.rows(MOST, MOST_ENTRIES - 5, 5)) == MOST_ENTRIES - 5
    assert reader.rows(FEW, 10_000_000, 0) == reader.rows(FEW, 0, 0)
    assert len(reader.rows(FEW, 0, 1)) == 2
    assert reader.rows({"few": None}, 0, 2**63 - 1) == []
    reader.close()


@pytest.mark.parametrize("monotone", [False, True])
def test_partial_results_are_counted_when_they_are_merged(shelf: Shelf, *, monotone: bool) -> None:
    keyed = KeyedQuery(
        "SELECT n, few, count(*) FROM t GROUP BY n, few"
        if not monotone
        else "SELECT n, n, count(*) FROM t GROUP BY n",
        (KeyPart("INTEGER"),),
        low=Bound("low", inclusive=True),
        high=Bound("high", inclusive=False),
        rollup=Rollup(
            (KeyPart("INTEGER"),),
            (RollupField("group", 0, "INTEGER"), RollupField("count", 0, "BIGINT")),
            monotone=monotone,
        ),
    )
    reader = opened(shelf, keyed, g="INTEGER", c="BIGINT")
    with pytest.raises(NotByKey):
        reader.rows({"low": 0, "high": MANY}, 0, 0)
    found = reader.rows({"low": 0, "high": MOST_ENTRIES - 1}, 1, 0)
    assert found == [b'{"g":0,"c":1}' if monotone else b'{"g":1,"c":%d}' % (MOST_ENTRIES - 1)]
    reader.close()


def test_groups_of_a_block_that_a_range_cuts_are_counted(shelf: Shelf) -> None:
    keyed = KeyedQuery(
        "SELECT n // 100, 0, n * 2 + i, count(*) FROM t, range(2) AS r(i) GROUP BY ALL",
        (KeyPart("INTEGER"),),
        low=Bound("low", inclusive=True),
        high=Bound("high", inclusive=False),
        rollup=Rollup(
            (KeyPart("INTEGER"), KeyPart("BIGINT")),
            (RollupField("group", 1, "BIGINT"), RollupField("count", 0, "BIGINT")),
            monotone=True,
        ),
    )
    reader = opened(shelf, keyed, g="BIGINT", c="BIGINT")
    with pytest.raises(NotByKey):
        reader.rows({"low": 1, "high": MANY}, 0, 0)
    found = reader.rows({"low": 1, "high": 3}, 0, 0)
    assert found == [b'{"g":%d,"c":1}' % number for number in range(200, 600)]
    reader.close()


@pytest.mark.parametrize("rows", [-1, 2**63, Decimal("1.5"), "2"])
@pytest.mark.parametrize("clause", ["limit", "offset"])
def test_what_is_no_number_of_rows_is_the_querys_to_refuse(
    shelf: Shelf, rows: object, clause: str
) -> None:
    keyed = replace(LISTED, limit="most") if clause == "limit" else replace(LISTED, offset="most")
    reader = opened(shelf, keyed, n="INTEGER")
    with pytest.raises(NotByKey):
        reader.rows({**FEW, "most": rows}, 10, 0)
    assert len(reader.rows({**FEW, "most": 1}, 10, 0)) == (1 if clause == "limit" else 2)
    reader.close()


def test_damage_that_comes_later_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Shelf.open(tmp_path / "store") as shelf:
        reader = opened(shelf, LISTED, n="INTEGER")
        assert len(reader.rows(FEW, 0, 0)) == 3
        [path] = (tmp_path / "store" / "keyed").glob("*.lmdb")
        path.chmod(0o600)
        with path.open("r+b") as file:
            file.seek(8192)
            file.write(b"\x04" * (path.stat().st_size - 8192))
        for _ in range(2):
            with pytest.raises(NotByKey, match="damaged"):
                reader.rows(FEW, 0, 0)
        reader.close()
    [said] = caplog.messages
    assert said.startswith("endpoint listed is answered by queries where its keyed copy is damaged")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project with one row more than is read by key."""
    rows = "".join(f"{number},{number % 7}\n" for number in range(MANY))
    files = {
        "headrace.toml": 'name = "shop"\nserve.default_access = "public"\n',
        "data/t.csv": f"n,g\n{rows}",
        "sources/t.yaml": "files: data/t.csv\ncolumns: {n: int, g: int}\n",
        "endpoints/listed.sql": """\
            /*
            path: /listed
            max_limit: 1000000
            */
            SELECT n FROM t WHERE n >= $low ORDER BY n
            """,
        "endpoints/skipped.sql": """\
            /*
            path: /skipped
            */
            SELECT n FROM t WHERE g = $g ORDER BY n OFFSET 1
            """,
        "endpoints/newest.sql": """\
            /*
            path: /newest
            */
            SELECT N AS "N" FROM t WHERE g = $g ORDER BY n DESC LIMIT $most
            """,
        "endpoints/summed.sql": """\
            /*
            path: /summed
            */
            SELECT g, count(*) AS c FROM t WHERE n >= $low GROUP BY g ORDER BY g
            """,
    }
    shop = Shop(write_files(tmp_path / "shop", files))
    assert shop.run().outcome == "published"
    return shop


URLS = (
    "/listed?low=0&limit=1000000",
    "/listed?low=0&limit=20000",
    "/listed?low=0&limit=3&offset=20000",
    "/listed?low=0&limit=3&offset=9223372036854775807",
    "/skipped?g=1&offset=9223372036854775807",
    "/skipped?g=1&limit=2",
    "/newest?g=1&most=-1",
    "/newest?g=1&most=2",
    "/summed?low=0",
    "/summed?low=20",
)


def asked_both_ways(client: Client) -> dict[str, tuple[int, bytes]]:
    """Status and body of every URL, each with the copies and without them the same."""
    edition = client.service._watcher.acquire()
    assert edition is not None
    endpoints = list(edition.endpoints.values())
    keyed = [each.keyed for each in endpoints]
    assert None not in keyed
    answers: dict[str, tuple[int, bytes]] = {}
    for url in URLS:
        response = client.get(url)
        for each in endpoints:
            each.keyed = None
        plain = client.get(url)
        for each, reader in zip(endpoints, keyed, strict=True):
            each.keyed = reader
        assert response.status_code == plain.status_code, url
        assert response.status_code != 200 or response.content == plain.content, url
        answers[url] = response.status_code, response.content
    client.service._watcher.release(edition)
    return answers


def test_an_answer_is_the_same_whichever_way_it_is_found(shop: Shop) -> None:
    with served(shop) as client:
        answers = asked_both_ways(client)
    assert answers["/listed?low=0&limit=1000000"][1].count(b"n") == MANY
    assert answers["/listed?low=0&limit=3&offset=20000"] == (200, b'[{"n":20000}]\n')
    assert answers["/skipped?g=1&offset=9223372036854775807"] == (200, b"[]\n")
    assert answers["/newest?g=1&most=-1"][0] == 422
    assert answers["/newest?g=1&most=2"][1].startswith(b'[{"N":')


def test_a_damaged_copy_is_not_opened(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """LMDB would end the process, or answer with what is not so."""
    head = shop.store.head("prod")
    assert head is not None
    snapshot = shop.store.snapshot(head)
    with served(shop) as client:
        before = {url: client.get(url).content for url in URLS if "most=-1" not in url}
    for contract in snapshot.manifest.endpoints:
        copy = shop.store.keyed_copy(contract, snapshot)
        assert isinstance(copy, Copy)
        copy.path.chmod(0o600)
        with copy.path.open("r+b") as file:
            file.seek(8192)
            file.write(bytes(copy.size_bytes - 8192))
    with caplog.at_level(logging.WARNING, "headrace.serve"), served(shop) as client:
        assert {url: client.get(url).content for url in before} == before
    said = [each for each in caplog.messages if "this keyed copy is damaged" in each]
    assert len(said) == 4
    assert said[0].startswith("endpoint listed is answered by queries: ")
