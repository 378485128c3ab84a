"""A small project that changes at random: takes dice, gives its files after each change.

The state is the text of every file, so that the same project can be built afresh elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

Row = tuple[str, ...]
FIRST_DAY = date(2024, 1, 29)
DAYS = 9
CITIES = ["Oslo", "Rome", "Lyon"]
SHOPS = ["1", "2", "3"]

SOURCES = {
    "sources/visits.yaml": """\
files: data/visits/*.csv
tolerance: 60 %
allow_empty: true
columns:
  id: {type: bigint, not_null: true}
  shop: {type: int, references: shops.shop}
  seen: timestamp
  amount: {type: "decimal(12,2)", max: 900}
derive: {day: CAST(seen AS DATE)}
partition: {column: day, by: day}
checks:
- max: {column: amount, value: 80}
  severity: warn
- unique: [day, id, shop, amount]
  severity: warn
""",
    "sources/stock.yaml": """\
files: data/stock/*.csv
tolerance: 60 %
allow_empty: true
columns: {shop: text, item: text, number: int}
partition: {column: shop, by: value}
""",
    "sources/customers.yaml": """\
files: data/customers/*.csv
mode: changes
key: id
cursor: seq
deletes: op = 'D'
history: true
tolerance: 60 %
allow_empty: true
columns: {op: text, id: int, city: text, seq: int}
""",
    "sources/prices.yaml": """\
files: data/prices/*.csv
mode: snapshot
key: item
cursor: taken
history: true
tolerance: 60 %
allow_empty: true
columns: {item: text, price: int}
derive: {taken: "CAST(regexp_extract($file, '[0-9]+') AS INT)"}
""",
    "sources/menu.yaml": """\
files: data/prices/*.csv
mode: snapshot
key: item
tolerance: 60 %
allow_empty: true
columns: {item: text, price: int}
""",
    "sources/shops.yaml": """\
files: data/shops/*.csv
allow_empty: true
tolerance: 60 %
columns: {shop: {type: int, not_null: true}, city: text}
""",
}

_DAILY = "partition: {column: day, by: day}\nallow_empty: true"
_PYTHON = """\
import polars as pl
from headrace import model

@model(partition={{"column": "day", "by": "day"}}, allow_empty=True,
       columns={{"day": "date", "shop": "int", "visits": "bigint"}})
def counted(visits: pl.DataFrame) -> pl.DataFrame:
    {body}
    found = visits.group_by("day", "shop").len("visits")
    return found.select("day", "shop", pl.col("visits").cast(pl.Int64) * {factor})
"""


def _sql(header: str, *queries: str) -> tuple[str, ...]:
    return tuple(f"/*\n{header}\n*/\n{query}\n" for query in queries)


# Every text that a model may have; the first one is where it begins.
MODELS: dict[str, tuple[str, ...]] = {
    "models/daily.sql": _sql(
        _DAILY + "\nkey: [day, shop]\nchecks:\n- change: {rows: 5 %}\n  severity: warn",
        "SELECT day, shop, sum(amount) AS revenue, count(*) AS n FROM visits GROUP BY ALL",
        "SELECT day, shop, max(amount) AS revenue, count(*) AS n FROM visits GROUP BY ALL",
        "SELECT day, shop, sum(amount) AS revenue, 1 AS n FROM visits GROUP BY ALL"
        " HAVING count(*) > 1",
    ),
    "models/placed.sql": (
        *_sql(
            _DAILY,
            "SELECT v.day, v.id, s.city FROM visits v LEFT JOIN shops s ON s.shop = v.shop",
            "SELECT v.day, v.id, s.city FROM visits v JOIN shops s USING (shop)",
        ),
        *_sql(
            "partition: {column: day, by: month}\nallow_empty: true",
            "SELECT v.day, v.id, s.city FROM visits v LEFT JOIN shops s ON s.shop = v.shop",
        ),
    ),
    "models/paired.sql": _sql(
        _DAILY,
        "SELECT v.day, v.id, d.revenue FROM visits v JOIN daily d USING (day, shop)",
        "SELECT v.day, v.id, d.revenue FROM visits v"
        " LEFT JOIN daily d ON v.day = d.day AND v.shop = d.shop AND d.n > 1",
        "SELECT day, d.shop AS id, c.visits AS revenue"
        " FROM daily d FULL JOIN counted c USING (day, shop)",
    ),
    "models/monthly.sql": (
        *_sql(
            "partition: {column: month, by: month}\nallow_empty: true",
            "SELECT CAST(date_trunc('month', day) AS DATE) AS month, shop, sum(revenue) AS revenue"
            " FROM daily GROUP BY ALL",
        ),
        *_sql(
            "partition: {column: month, by: year}\nallow_empty: true",
            "SELECT CAST(date_trunc('year', day) AS DATE) AS month, shop, sum(revenue) AS revenue"
            " FROM daily GROUP BY ALL",
        ),
    ),
    "models/rolling.sql": (
        *_sql(
            _DAILY + "\nlookback: 2 days",
            "SELECT day, shop, sum(revenue) OVER (PARTITION BY shop ORDER BY day"
            " RANGE BETWEEN INTERVAL 2 DAY PRECEDING AND CURRENT ROW) AS revenue FROM daily",
        ),
        *_sql(
            _DAILY + "\nlookback: 1 days",
            "SELECT day, shop, sum(revenue) OVER (PARTITION BY shop ORDER BY day"
            " RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) AS revenue FROM daily",
        ),
    ),
    "models/kept.sql": _sql(
        _DAILY + "\ntolerance: 100 %\nchecks:\n"
        "- max: {column: amount, value: 70}\n  severity: quarantine\n"
        "- key: [day, id]\n  severity: quarantine",
        "SELECT day, id, shop, amount FROM visits",
        "SELECT day, id, shop, amount FROM visits WHERE amount > 20",
    ),
    "models/stocked.sql": (
        *_sql(
            "partition: {column: shop, by: value}\nallow_empty: true",
            "SELECT shop, item, sum(number) AS number FROM stock GROUP BY ALL",
            "SELECT shop, item, max(number) AS number FROM stock GROUP BY ALL",
        ),
        *_sql(
            "allow_empty: true",
            "SELECT shop, item, sum(number) AS number FROM stock GROUP BY ALL",
        ),
    ),
    "models/named.sql": _sql(
        "key: id\nallow_empty: true",
        "SELECT id, upper(city) AS city, seq FROM customers WHERE id > 2",
        "SELECT id, c.city, s.shop AS seq FROM customers c LEFT JOIN"
        " (SELECT city, max(shop) AS shop FROM shops GROUP BY ALL) s ON s.city = c.city",
    ),
    "models/totals.sql": _sql(
        "allow_empty: true",
        "SELECT shop, sum(revenue) AS revenue, sum(n) AS n FROM daily GROUP BY ALL",
        "SELECT shop, sum(revenue) AS revenue, count(*) AS n FROM rolling GROUP BY ALL",
    ),
    "models/overview.sql": _sql(
        "allow_empty: true",
        "SELECT 'months' AS what, count(*) AS n, sum(revenue) AS total FROM monthly"
        " UNION ALL SELECT 'stock', count(*), sum(number) FROM stocked"
        " UNION ALL SELECT 'names', count(*), sum(id) FROM named"
        " UNION ALL SELECT 'states', count(*), sum(valid_from) FROM customers__history"
        " UNION ALL SELECT 'prices', count(*), sum(price) FROM prices"
        " UNION ALL SELECT 'menu', count(*), sum(price) FROM menu"
        " UNION ALL SELECT 'aside', count(*), sum(line) FROM visits__quarantine",
    ),
    "models/stamped.sql": _sql(
        "volatile: year\npartition: {column: day, by: day}\nallow_empty: true",
        "SELECT day, count(*) AS n, year(now()) AS stamped FROM visits GROUP BY ALL",
    ),
    "models/counted.py": (
        _PYTHON.format(body="pass", factor=1),
        _PYTHON.format(body="pass", factor=2),
        _PYTHON.format(body="raise ValueError('down')", factor=1),
    ),
    "checks/known.sql": (
        "SELECT d.day FROM daily d WHERE d.n <= 0\n",
        "/*\nseverity: warn\n*/\nSELECT city FROM placed WHERE city IS NULL\n",
        "SELECT day FROM daily WHERE n > 0 LIMIT 1\n",
    ),
    "endpoints/revenue.sql": (
        "/*\npath: /shops/{shop}\n*/\nSELECT day, revenue FROM daily WHERE shop = $shop\n",
    ),
}
# What nothing else reads.
LEAVES = ["placed", "kept", "stamped", "totals", "overview"]
HEADERS = {
    "visits": ("id", "shop", "seen", "amount"),
    "stock": ("shop", "item", "number"),
    "customers": ("op", "id", "city", "seq"),
    "prices": ("item", "price"),
    "shops": ("shop", "city"),
}


@dataclass
class RandomProject:
    """A project as text, and the steps that it has taken."""

    rng: Random
    raw: dict[str, list[Row]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        settings = 'serve.default_access = "public"\n[run]\nthreads = 1\nretries = 0\n'
        self.texts = {"headrace.toml": f'name = "random"\n{settings}'}
        self.texts |= SOURCES | {name: found[0] for name, found in MODELS.items()}
        for feed in HEADERS:
            for _ in range(2 if feed != "shops" else 1):
                self.raw[self._path(feed)] = self._rows(feed)

    def files(self) -> dict[str, str]:
        """The text of every file of the project."""
        texts = dict(self.texts)
        for path, rows in self.raw.items():
            lines = [HEADERS[_feed(path)], *rows]
            texts[path] = "".join(",".join(line) + "\n" for line in lines)
        return texts

    def change(self) -> str:
        """Change something, and say what."""
        steps: list[Callable[[], str]] = [
            *[self._add, self._late, self._correct, self._correct, self._edit, self._edit],
            *[self._correct_all, self._shuffle, self._delete, self._rename, self._empty],
            *[self._copy, self._spoil, self._lay_out, self._remove_model, self._move],
        ]
        return self.rng.choice(steps)()

    def repair(self) -> None:
        """Take back all that a run may fail of: texts, bad rows, keys without a shop."""
        for name in ("models/counted.py", "checks/known.sql"):
            self.texts[name] = MODELS[name][0]
        for path, rows in self.raw.items():
            good = [row for row in rows if not {"", "no such thing"} & set(row)]
            self.raw[path] = good
            if _feed(path) == "shops":
                self.raw[path] = [(shop, CITIES[0]) for shop in SHOPS]
            if _feed(path) == "prices":
                self.raw[path] = list({row[0]: row for row in good}.values())

    def visits_of_days(self) -> dict[str, set[tuple[str, Row]]]:
        """Day -> a raw file and the rows that it has of the day, whatever their order."""
        found: dict[str, set[tuple[str, Row]]] = defaultdict(set)
        for path, rows in self.raw.items():
            for row in rows if _feed(path) == "visits" else []:
                times = str(rows.count(row))
                found[row[2][:10]].add((path, (*row, times)))
        return found

    def _path(self, feed: str) -> str:
        self.made += 1
        return f"data/{feed}/{self.rng.choice('123456789')}{self.made:03}.csv"

    def _rows(self, feed: str) -> list[Row]:
        count = self.rng.randint(3, 8) if feed != "shops" else 3
        rows = [self._row(feed, number) for number in range(count)]
        if feed == "prices":
            return list({row[0]: row for row in rows}.values())
        return rows

    def _row(self, feed: str, number: int) -> Row:
        rng = self.rng
        if feed == "visits":
            day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
            at = f"{day} {rng.choice(['00:00:00', '12:30:00', '23:59:59.999999'])}"
            return str(rng.randint(1, 9)), rng.choice(SHOPS), at, f"{rng.randint(1, 90)}.50"
        if feed == "stock":
            shop = rng.choice(["a", "b", "A", "é", "a b", "it's"])
            return shop, rng.choice("xyz"), str(rng.randint(1, 9))
        if feed == "customers":
            self.made += 1
            at = str(self.made * 7919 % 10_007)
            return rng.choice("UUUD"), str(rng.randint(1, 12)), rng.choice(CITIES), at
        if feed == "prices":
            return rng.choice("uvwxyz"), str(rng.randint(1, 3))
        return SHOPS[number % 3], rng.choice(CITIES)

    def _any(self, *, filled: bool = True) -> str:
        return self.rng.choice([p for p in sorted(self.raw) if self.raw[p] or not filled])

    def _add(self) -> str:
        path = self._path(self.rng.choice([each for each in HEADERS if each != "shops"]))
        self.raw[path] = self._rows(_feed(path))
        return f"add {path}"

    def _late(self) -> str:
        path = self._any()
        taken = {row[0] for row in self.raw[path]} if _feed(path) == "prices" else set()
        row = self._row(_feed(path), 0)
        if row[0] not in taken and _feed(path) != "shops":
            self.raw[path].append(row)
        return f"late {row} in {path}"

    def _correct(self) -> str:
        path = self._any()
        at = self.rng.randrange(len(self.raw[path]))
        row = self._row(_feed(path), at)
        if _feed(path) == "prices":
            row = (self.raw[path][at][0], row[1])
        self.raw[path] = [*self.raw[path][:at], row, *self.raw[path][at + 1 :]]
        return f"correct {path}: {row}"

    def _correct_all(self) -> str:
        path = self._any()
        self.raw[path] = self._rows(_feed(path))
        return f"correct all of {path}"

    def _shuffle(self) -> str:
        path = self._any()
        self.raw[path] = self.rng.sample(self.raw[path], len(self.raw[path]))
        return f"shuffle {path}"

    def _others(self, path: str) -> bool:
        return sum(_feed(each) == _feed(path) for each in self.raw) > 1

    def _delete(self) -> str:
        path = self._any(filled=False)
        if self._others(path):
            del self.raw[path]
        return f"delete {path}"

    def _rename(self) -> str:
        path = self._any(filled=False)
        other = self._path(_feed(path))
        self.raw[other] = self.raw.pop(path)
        return f"rename {path} to {other}"

    def _empty(self) -> str:
        path = self._any()
        self.raw[path] = []
        return f"empty {path}"

    def _copy(self) -> str:
        path = self._any()
        if _feed(path) != "shops":
            self.raw[other := self._path(_feed(path))] = list(self.raw[path])
            return f"copy {path} to {other}"
        return "nothing"

    def _spoil(self) -> str:
        path = self._any()
        column = self.rng.randrange(len(HEADERS[_feed(path)]))
        row = list(self._row(_feed(path), 0))
        row[column] = self.rng.choice(["", "no such thing"])
        self.raw[path] = [*self.raw[path], tuple(row)]
        return f"spoil {path}: {row}"

    def _move(self) -> str:
        """Rows of one file that come in another one."""
        path = self._any()
        same = [each for each in sorted(self.raw) if _feed(each) == _feed(path) and each != path]
        if not same or _feed(path) == "prices":
            return "nothing"
        other = self.rng.choice(same)
        half = len(self.raw[path]) // 2
        moved, self.raw[path] = self.raw[path][half:], self.raw[path][:half]
        self.raw[other] = self.raw[other] + moved
        return f"move rows of {path} to {other}"

    def _edit(self) -> str:
        name = self.rng.choice(list(MODELS))
        number = self.rng.randrange(len(MODELS[name]))
        self.texts[name] = MODELS[name][number]
        return f"text {number} of {name}"

    def _lay_out(self) -> str:
        name = self.rng.choice([each for each in sorted(self.texts) if each.endswith(".sql")])
        self.texts[name] = self.texts[name].replace("SELECT", "select -- laid out\n ", 1)
        return f"lay out {name}"

    def _remove_model(self) -> str:
        name = f"models/{self.rng.choice(LEAVES)}.sql"
        if name in self.texts and "FROM placed" not in self.texts["checks/known.sql"]:
            del self.texts[name]
            return f"remove {name}"
        self.texts[name] = MODELS[name][0]
        return f"bring back {name}"


def _feed(path: str) -> str:
    return path.split("/")[1]
