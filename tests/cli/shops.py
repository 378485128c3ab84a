"""A project with a store that tests publish to by hand, and a way to call the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from click.testing import CliRunner, Result

from headrace.base.access import PUBLIC
from headrace.base.hashing import address
from headrace.base.partitions import Split
from headrace.base.tables import Cell, Column, Schema, Version
from headrace.cli.main import cli
from headrace.engines.duckdb import DuckDBEngine, described
from headrace.store.snapshots import (
    EndpointContract,
    Manifest,
    Parameter,
    Ref,
    Snapshot,
    TablePolicy,
)
from headrace.store.store import Store

LOADED_AT = "2024-05-01T10:00:00.000000Z"

REVENUE = EndpointContract(
    name="store_revenue",
    path="/stores/{store_id}/revenue",
    recipe=address("recipe", "store_revenue"),
    sql="SELECT day, revenue\nFROM orders\nWHERE store_id = $store_id",
    tables=("orders",),
    parameters=(
        Parameter("store_id", "path", "INTEGER", required=True, min=1, description="which store"),
        Parameter("since", "query", "DATE", required=False, default="2024-01-01"),
    ),
    columns=(Column("day", "DATE"), Column("revenue", "DECIMAL(12,2)")),
    limit=1000,
    max_limit=10_000,
    access_path="columnar",
    reason="reads a range of rows",
    description="Revenue of one store.",
    lineage={"revenue": ("orders.amount",)},
    access=PUBLIC,
)


@dataclass(frozen=True)
class Shop:
    """A project's folder, and its store."""

    root: Path
    engine: DuckDBEngine
    store: Store
    endpoints: tuple[EndpointContract, ...] = field(default=(REVENUE,))

    def publish(
        self,
        tables: Mapping[str, str],
        *,
        environment: str = "prod",
        endpoints: tuple[EndpointContract, ...] = (REVENUE,),
        reason: str = "built orders",
        policies: Mapping[str, TablePolicy] | None = None,
    ) -> Ref:
        """Publish tables given as name -> SELECT."""
        head = self.store.head(environment)
        versions = {name: self.version(name, sql) for name, sql in tables.items()}
        return self.store.publish(
            environment,
            Snapshot(tables=versions, manifest=Manifest("shop", endpoints, (), policies or {})),
            parent=head.number if head else None,
            reason=reason,
        )

    def version(self, table: str, sql: str) -> Version:
        """The rows of a SELECT as a stored version."""
        schema: Schema = described(self.engine.cursor(), sql)
        written = self.engine.write(sql, self.store.new_data_path(table))
        file = self.store.keep_file(table, written.path, written.rows)
        cell = Cell(address("cell", sql), "", file.path, None, file.rows, file.rows, LOADED_AT)
        kind = "quarantine" if table.endswith("__quarantine") else "source"
        return Version(table, kind, address("recipe", table), schema, (cell,), (file,))

    def call(self, *arguments: str, given: str | None = None) -> Result:
        """Call the command line on this project; stdout and stderr apart."""
        command, *others = arguments
        return call(command, "--project", str(self.root), *others, given=given)

    def call_below(self, *arguments: str) -> Result:
        """Call a command below a command on this project."""
        return call(*arguments, "--project", str(self.root))


def spread_out(shop: Shop, days: int) -> None:
    """Publish a table by days, each of them in a file of its own."""
    one = [shop.version("orders", f"SELECT {day} AS day") for day in range(days)]
    cells = [
        replace(cell, part=None, partition=str(day))
        for day, version in enumerate(one)
        for cell in version.cells
    ]
    files = [file for version in one for file in version.files]
    version = replace(
        one[0], cells=tuple(cells), files=tuple(files), split=Split(("day",), "value")
    )
    snapshot = Snapshot({"orders": version}, Manifest("shop"))
    shop.store.publish("prod", snapshot, parent=None, reason="built orders")


def call(*arguments: str, given: str | None = None) -> Result:
    """Call the command line; stdout and stderr apart."""
    return CliRunner().invoke(cli, list(arguments), input=given, prog_name="headrace")
