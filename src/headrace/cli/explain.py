"""`headrace explain`: takes an endpoint's name or path, shows all that there is to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from headrace.base.errors import NotFound
from headrace.base.names import listed, near_miss
from headrace.base.sizes import size
from headrace.cli.opening import Published, open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import (
    Align,
    age,
    count,
    counted,
    faint,
    heading,
    print_json,
    table,
    warned,
)
from headrace.pipeline.compile.policies import is_let_in
from headrace.pipeline.plan.policy_changes import mask_text
from headrace.store.keyed_folder import Copy, Refusal
from headrace.store.snapshots import EndpointContract, Parameter, RowCase, TablePolicy


@click.command(name="explain")
@click.argument("endpoint")
@environment_option
@project_option
@json_option
def command(endpoint: str, environment: str | None, folder: Path, as_json: bool) -> None:
    """Show all about one published ENDPOINT (its name or its path).

    Its parameters and their rules, its fields and the source columns that they come from, the
    tables that it reads, how it is answered and why, and its SQL.
    """
    opened = open_project(folder)
    published = opened.published(environment)
    contract = find_endpoint(published, endpoint)
    copy = opened.store.keyed_copy(contract, published.snapshot)
    if as_json:
        print_json(_as_json(contract, published, copy))
        return
    click.echo(f"{click.style(f'GET {contract.path}', bold=True)}  {contract.description}".rstrip())
    click.echo(faint(f"{contract.name}, as published in {_where(published)}"))
    if ending := _ending(contract):
        click.echo(warned(ending))
    _section("Parameters", _parameters(contract) or "  none")
    _section("Fields", _fields(contract))
    _section("Tables", _tables(contract, published, opened.store.clock.now()))
    _section("Who sees what", _scope(contract, published))
    _section("Answered by", "\n".join(f"  {line}" for line in _access(contract, published, copy)))
    _section("SQL", "\n".join(f"  {line}" for line in contract.sql.strip().splitlines()))


def find_endpoint(published: Published, text: str) -> EndpointContract:
    """The endpoint of that name or path.

    Raises:
        NotFound: there is none; the message has the near miss.
    """
    endpoints = published.snapshot.manifest.endpoints
    for contract in endpoints:
        if text in {contract.name, contract.path}:
            return contract
    names = [contract.name for contract in endpoints]
    raise NotFound(
        f"{text!r} is not an endpoint of {_where(published)}; expected one of {listed(names)}; "
        + (near_miss(text, names) or "run `headrace run` to publish a new one")
    )


def _where(published: Published) -> str:
    return f"snapshot {published.ref.number} of {published.ref.environment}"


def _ending(contract: EndpointContract) -> str:
    """From when on others should be used, and from when on it may be gone; "" for neither."""
    said = [
        f"deprecated from {contract.deprecated}" if contract.deprecated else "",
        f"may be gone from {contract.sunset}" if contract.sunset else "",
    ]
    return ", ".join(each for each in said if each)


def _section(title: str, text: str) -> None:
    click.echo()
    heading(title)
    click.echo(text)


def _parameters(contract: EndpointContract) -> str:
    rows = [
        (each.name, each.type, each.place, _default(each), ", ".join(rules(each)), each.description)
        for each in contract.parameters
    ]
    if contract.max_limit:
        cap = f"max {count(contract.max_limit)}"
        rows.append(("limit", "BIGINT", "query", f"default {count(contract.limit)}", cap, ""))
        rows.append(("offset", "BIGINT", "query", "default 0", "", ""))
    return table(("", "", "", "", "", ""), rows, indent="  ")


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    return "optional" if parameter.default is None else f"default {parameter.default}"


def rules(parameter: Parameter) -> Iterator[str]:
    """What a value of the parameter must fulfil, beside its type."""
    if parameter.min is not None:
        yield f"min {parameter.min}"
    if parameter.max is not None:
        yield f"max {parameter.max}"
    if parameter.enum:
        yield f"one of {', '.join(map(str, parameter.enum))}"
    if parameter.pattern:
        yield f"matches {parameter.pattern}"


def _fields(contract: EndpointContract) -> str:
    rows = [
        (column.name, column.type, _origin(contract.lineage.get(column.name, ())))
        for column in contract.columns
    ]
    return table(("", "", ""), rows, indent="  ")


def _origin(columns: tuple[str, ...]) -> str:
    return f"from {', '.join(columns)}" if columns else ""


def _scope(contract: EndpointContract, published: Published) -> str:
    """Who may ask, and which policies narrow what they get, with the claims that those need."""
    policies = published.snapshot.manifest.tables
    rows: list[tuple[str, str, str]] = []
    for name in contract.tables:
        policy = policies.get(name, TablePolicy())
        if policy.rows is not None:
            rows += [(name, _seen_by(case), case.said or "all rows") for case in policy.rows]
            rows += [(name, "nobody", "sees any row")] if not policy.rows else []
        hidden = [mask for mask in policy.masks if not is_let_in(contract.access, mask)]
        rows += [(name, mask.column, mask_text(mask)) for mask in hidden]
    claims = contract.scope.claims if contract.scope else ()
    rows += [(f"$auth.{claim.name}", claim.type, "of who asks") for claim in claims]
    said = f"  asked by: {contract.access}"
    return "\n".join(each for each in (said, table(("", "", ""), rows, indent="  ")) if each)


def _seen_by(case: RowCase) -> str:
    return case.role or "everybody"


def _access(
    contract: EndpointContract, published: Published, copy: Copy | Refusal | None
) -> Iterator[str]:
    """How it is answered and why, by which copy, and what would make it faster."""
    yield f"{contract.access_path}: {contract.reason}".rstrip(": ")
    if isinstance(copy, Copy):
        yield f"from a copy of {counted(copy.rows, 'row')}, {size(copy.size_bytes)}"
    elif isinstance(copy, Refusal):
        yield warned(f"by queries, for there is no copy: {copy.reason}")
        if copy.limit_bytes:
            yield "To have it made: raise `copy_limit` in headrace.toml, and run `headrace run`."
    elif contract.keyed is not None:
        yield warned("by queries, for its copy is missing; `headrace run` makes it")
    if names := sharing(contract, published.snapshot.manifest.endpoints):
        yield f"from the copy that also answers {', '.join(names)}"
    if contract.advice:
        yield f"To make it faster: {contract.advice}."


def sharing(contract: EndpointContract, endpoints: Iterable[EndpointContract]) -> list[str]:
    """The names of the other endpoints that are answered from the same keyed copy."""
    keyed = contract.keyed
    return [
        each.name
        for each in endpoints
        if keyed is not None and each.keyed is not None and each.name != contract.name
        if (each.keyed.sql, each.keyed.key) == (keyed.sql, keyed.key)
    ]


def _tables(contract: EndpointContract, published: Published, now: datetime) -> str:
    versions = [published.snapshot.tables[name] for name in contract.tables]
    rows = [
        (
            version.table,
            version.kind,
            count(version.rows),
            "rows",
            size(version.size_bytes),
            _loaded([cell.loaded_at for cell in version.cells], now),
            f"version {version.address[:12]}",
        )
        for version in versions
    ]
    sides: tuple[Align, ...] = ("left", "left", "right", "left", "right")
    return table(("",) * 7, rows, sides, indent="  ")


def _loaded(times: list[str], now: datetime) -> str:
    return f"built {age(max(times), now)}" if times else ""


def _as_json(
    contract: EndpointContract, published: Published, copy: Copy | Refusal | None
) -> dict[str, object]:
    versions = [published.snapshot.tables[name] for name in contract.tables]
    return {
        **asdict(contract),
        "environment": published.ref.environment,
        "snapshot": published.ref.number,
        "copy": _copy_as_json(copy),
        "shares_its_copy_with": sharing(contract, published.snapshot.manifest.endpoints),
        "tables": [
            {"table": each.table, "rows": each.rows, "version": each.address} for each in versions
        ],
    }


def _copy_as_json(copy: Copy | Refusal | None) -> dict[str, object] | None:
    if isinstance(copy, Refusal):
        return {"refusal": copy.reason}
    return {"rows": copy.rows, "size_bytes": copy.size_bytes} if copy else None
