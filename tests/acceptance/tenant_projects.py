"""Random projects of three tenants who share keys: takes a Random, gives files of a project.

Each tenant's rows are told apart by the claim `tenant` alone. All text in rows of the tenant "b" is
a canary: it must never be in what another one gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

TENANTS = ("a", "b", "c")
CANARY = "canary-of-b"
EVERYBODY, BY_ROLE = (
    "rows: tenant = $auth.tenant",
    "rows: {member: tenant = $auth.tenant, head: all}",
)
_RULES = [
    *[EVERYBODY, BY_ROLE] * 4,
    "rows: $auth.tenant = tenant AND id < 1000",
    "rows: {member: tenant = $auth.tenant AND n IS NOT NULL, head: all}",
    "rows: tenant = $auth.tenant OR (tenant = $auth.tenant AND n > 2)",
    "rows: lower(tenant) = $auth.tenant",
]
_NAMES = ("orders", "items", "people", "notes")
_COLUMNS = {
    "tenant": "text",
    "id": "bigint",
    "k": "int",
    "day": "date",
    "n": "int",
    "label": "text",
}
_FIELDS = "id, k, day, n, label"
_POSSIBLE = {
    "id": ["1", "2", "3", "7", "900"],
    "k": ["1", "2", "3"],
    "day": ["2024-01-01", "2024-01-20", "2024-02-03", "2024-03-09"],
    "n": ["1", "2", "3", "5", ""],
}


@dataclass(frozen=True)
class Table:
    """A source: its rule of rows, and its rows with the tenant first."""

    name: str
    rule: str
    rows: tuple[tuple[str, ...], ...]

    def csv(self, tenant: str) -> str:
        """The raw file: the rows of one tenant, or of all without one."""
        lines = [",".join(row) for row in self.rows if tenant in {"", row[0]}]
        return "\n".join([",".join(_COLUMNS), *lines]) + "\n"

    @property
    def yaml(self) -> str:
        """The source's declaration."""
        columns = ", ".join(f"{name}: {kind}" for name, kind in _COLUMNS.items())
        return (
            f"files: data/{self.name}/*.csv\nallow_empty: true\n{self.rule}\n"
            f"columns: {{{columns}}}\n"
        )


@dataclass(frozen=True)
class Query:
    """A model or an endpoint; `parameters` and `fields` of an endpoint: name -> type."""

    name: str
    header: str
    sql: str
    parameters: tuple[tuple[str, str], ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The file."""
        return f"/*\n{self.header}\n*/\n{self.sql}\n"


@dataclass(frozen=True)
class TenantProject:
    """A project over the data of all tenants."""

    tables: tuple[Table, ...]
    models: tuple[Query, ...]
    endpoints: tuple[Query, ...]

    @classmethod
    def of(cls, rng: Random) -> TenantProject:
        """A random one; some of its endpoints are keyed, some columnar."""
        tables = tuple(_table(rng, name) for name in _NAMES[: rng.randint(2, 4)])
        return cls(tables, tuple(_models(rng, tables)), tuple(_endpoints(rng, tables)))

    def files(self, tenant: str = "") -> dict[str, str]:
        """The files of the project, over the rows of one tenant, or of all without one."""
        found = {"headrace.toml": 'name = "tenants"\n'}
        for table in self.tables:
            found[f"sources/{table.name}.yaml"] = table.yaml
            found[f"data/{table.name}/all.csv"] = table.csv(tenant)
        found |= {f"models/{each.name}.sql": each.text for each in self.models}
        return found | {f"endpoints/{each.name}.sql": each.text for each in self.endpoints}


def _table(rng: Random, name: str) -> Table:
    rows = [_row(rng, name, tenant) for tenant in TENANTS for _ in range(rng.randint(2, 12))]
    rng.shuffle(rows)
    return Table(name, rng.choice(_RULES), tuple(rows))


def _row(rng: Random, table: str, tenant: str) -> tuple[str, ...]:
    values = {name: rng.choice(values) for name, values in _POSSIBLE.items()}
    word = f"{CANARY} {table}" if tenant == "b" else f"{tenant} {rng.choice(['x', 'y', 'é'])}"
    return (tenant, values["id"], values["k"], values["day"], values["n"], word)


def _models(rng: Random, tables: Sequence[Table]) -> Iterator[Query]:
    """Two models that hand the tenant on, and say who sees their rows."""
    one, other = rng.sample([each.name for each in tables], 2)
    yield Query(
        "daily",
        rng.choice([EVERYBODY, BY_ROLE]),
        f"SELECT tenant, k, day, sum(n) AS n, count(*) AS many, max(label) AS label\n"
        f"FROM {one} GROUP BY ALL",
    )
    yield Query(
        "joined",
        rng.choice([EVERYBODY, BY_ROLE]),
        f"SELECT a.tenant, a.id, a.k, a.day, a.n, b.label\n"
        f"FROM {one} AS a JOIN {other} AS b ON a.tenant = b.tenant AND a.k = b.k",
    )


# Endpoints over one table `{t}`, or over a second one, `{u}`, that is not joined by the tenant:
# query, parameters, and the fields that may be filtered and sorted by.
_SHAPES = [
    (f"SELECT {_FIELDS} FROM {{t}} ORDER BY ALL", "", "id k day n label"),
    (f"SELECT {_FIELDS} FROM {{t}} WHERE id = $id ORDER BY ALL", "id bigint", "k day n label"),
    (
        f"SELECT {_FIELDS} FROM {{t}} WHERE tenant = $tenant AND k = $k ORDER BY ALL",
        "tenant text, k int",
        "id day n label",
    ),
    (
        "SELECT day, id, k, n, label FROM {t} WHERE day >= $since ORDER BY ALL",
        "since date",
        "id k day n label",
    ),
    (
        "SELECT day, id, k, n, label FROM {t} WHERE k = $k AND day < $until ORDER BY ALL DESC",
        "k int, until date",
        "id n",
    ),
    ("SELECT k, count(*) AS many, sum(n) AS total FROM {t} GROUP BY k ORDER BY k", "", "k many"),
    (
        "SELECT label, count(*) AS many FROM {t} WHERE k = $k GROUP BY label ORDER BY label",
        "k int",
        "label many",
    ),
    (
        (
            "SELECT date_trunc('month', day) AS month, sum(n) AS total, count(*) AS many FROM {t}"
            " WHERE day >= $since GROUP BY ALL ORDER BY month"
        ),
        "since date",
        "many",
    ),
    ("SELECT count(*) AS many, max(label) AS last FROM {t} WHERE k = $k", "k int", "many last"),
    ("SELECT count(*) AS many, min(day) AS first FROM {t}", "", "many"),
    ("SELECT DISTINCT label, k FROM {t} ORDER BY ALL", "", "label k"),
    (
        (
            "SELECT a.id, a.label, b.label AS other FROM {t} AS a JOIN {u} AS b USING (k)"
            " WHERE a.k = $k ORDER BY ALL"
        ),
        "k int",
        "id label other",
    ),
    (
        (
            "SELECT a.id, a.label, b.label AS other FROM {t} AS a LEFT JOIN {u} AS b ON a.id = b.id"
            " ORDER BY ALL"
        ),
        "",
        "id label other",
    ),
    (
        (
            "SELECT a.id, b.label AS other, count(*) AS many"
            " FROM {t} AS a FULL JOIN {u} AS b USING (k)"
            " GROUP BY ALL ORDER BY ALL"
        ),
        "",
        "id other many",
    ),
    (
        f"SELECT {_FIELDS} FROM {{t}} WHERE k NOT IN (SELECT k FROM {{u}}) ORDER BY ALL",
        "",
        "id label",
    ),
    (
        (
            "WITH best AS (SELECT k, max(label) AS label FROM {u} GROUP BY k)"
            " SELECT t.id, best.label FROM {t} AS t JOIN best USING (k)"
            " WHERE t.k = $k ORDER BY ALL"
        ),
        "k int",
        "id label",
    ),
    (
        (
            "SELECT id, label, (SELECT max(label) FROM {u}) AS top,"
            " rank() OVER (ORDER BY id) AS place"
            " FROM {t} ORDER BY ALL"
        ),
        "",
        "id top place",
    ),
    (f"SELECT {_FIELDS} FROM {{t}} WHERE label LIKE $like ORDER BY ALL", "like text", "id label"),
    # It fails over a row of "b", with the canary in what the engine says.
    (
        (
            "SELECT id, CAST(CASE WHEN label LIKE 'canary%' THEN label ELSE '1' END AS INTEGER)"
            " AS one"
            " FROM {t} WHERE k = $k ORDER BY ALL"
        ),
        "k int",
        "id one",
    ),
    ("SELECT id, label FROM {t} UNION ALL SELECT id, label FROM {u} ORDER BY ALL", "", "id label"),
]
_OVER_MODELS = [
    ("SELECT k, day, n, many, label FROM daily WHERE k = $k ORDER BY ALL", "k int", "n label"),
    ("SELECT k, sum(n) AS total FROM daily GROUP BY k ORDER BY k", "", "k total"),
    ("SELECT day, id, k, n, label FROM joined WHERE day >= $since ORDER BY ALL", "since date", "n"),
    (
        (
            "SELECT j.id, j.label, d.many FROM joined AS j JOIN daily AS d USING (k, day)"
            " WHERE k = $k ORDER BY ALL"
        ),
        "k int",
        "id label",
    ),
]


def _endpoints(rng: Random, tables: Sequence[Table]) -> Iterator[Query]:
    """Endpoints of every shape, over random tables and over the models."""
    for number, (shape, parameters, fields) in enumerate([*_SHAPES, *_OVER_MODELS]):
        one, other = rng.sample([each.name for each in tables], 2)
        yield _endpoint(rng, f"e{number}", shape.format(t=one, u=other), parameters, fields)


def _endpoint(rng: Random, name: str, sql: str, parameters: str, fields: str) -> Query:
    pairs = [each.split() for each in parameters.split(", ") if each]
    types = ", ".join(f"{each}: {{type: {kind}}}" for each, kind in pairs)
    opened = f"[{', '.join(fields.split())}]"
    lines = [
        f"path: /{name}",
        rng.choice(["access: authenticated", "access: [member, head]"]),
        f"filters: {opened}",
        f"sort: {opened}",
        *([f"params: {{{types}}}"] if types else []),
    ]
    typed = tuple((each, kind) for each, kind in pairs)
    return Query(name, "\n".join(lines), sql, typed, tuple(fields.split()))
