"""The workloads: projects of many small models, made the same way every time."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_LAYERS = 5


def small_models(count: int, seed: int = 7) -> dict[str, str]:
    """Name -> SQL of `count` models in topological order, 1,000 rows each.

    The first fifth reads no table; each of the others joins one to three of the layers above it.
    """
    chance = random.Random(seed)
    models: dict[str, str] = {}
    above: list[str] = []
    for layer in range(_LAYERS):
        names = [f"m_{layer}_{number:04d}" for number in range(count // _LAYERS)]
        for number, name in enumerate(names):
            inputs = chance.sample(above, chance.randint(1, 3)) if above else []
            models[name] = _joining(inputs) if inputs else _generating(number + 1)
        above = above + names if layer == 0 else names + above[: count // _LAYERS]
    return models


def _generating(factor: int) -> str:
    return f"SELECT i AS id, i * {factor} AS v, i % 10 AS k FROM range(1000) AS t(i)"


def _joining(inputs: list[str]) -> str:
    joins = "".join(
        f" JOIN {name} AS t{number} ON t0.id = t{number}.id"
        for number, name in enumerate(inputs)
        if number
    )
    total = " + ".join(f"t{number}.v" for number in range(len(inputs)))
    return f"SELECT t0.id AS id, ({total}) % 1000003 AS v, t0.k AS k FROM {inputs[0]} AS t0{joins}"


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Text files in `folder`, by their paths."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_parquet(path: Path, select: str) -> None:
    """The rows of a SELECT as a Parquet file, written by a process of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copy = f"COPY ({select}) TO '{path}' (FORMAT parquet)"
    command = [sys.executable, "-c", f"import duckdb; duckdb.execute({copy!r})"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def write_project(folder: Path, models: Mapping[str, str]) -> None:
    """A project of SQL models in `folder`."""
    files = {"headrace.toml": 'name = "bench"\n'}
    files |= {f"models/{name}.sql": f"{sql}\n" for name, sql in models.items()}
    write_files(folder, files)


def write_growing_project(folder: Path, count: int) -> None:
    """A project of `count` models; one in ten is served, is checked, and declares its key."""
    models = small_models(count)
    write_project(folder, models)
    (folder / "endpoints").mkdir()
    (folder / "checks").mkdir()
    for name in list(models)[::10]:
        header = "/*\nkey: id\ncolumns:\n  v: {not_null: true}\n*/\n"
        (folder / "models" / f"{name}.sql").write_text(f"{header}{models[name]}\n")
        path = f"/*\npath: /{name}/{{id}}\n*/\n"
        query = f"SELECT v, k FROM {name} WHERE id = $id\n"
        (folder / "endpoints" / f"of_{name}.sql").write_text(path + query)
        (folder / "checks" / f"in_{name}.sql").write_text(f"SELECT * FROM {name} WHERE v < 0\n")


def write_raw_program(path: Path, models: Mapping[str, str]) -> None:
    """A Python program that runs the same SQL in one DuckDB connection, and nothing else."""
    statements = [f"CREATE TABLE {name} AS {sql}" for name, sql in models.items()]
    path.write_text(
        "import duckdb\n"
        "connection = duckdb.connect()\n"
        f"for statement in {statements!r}:\n"
        "    connection.execute(statement)\n"
    )
