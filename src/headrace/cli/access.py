"""`headrace access check`: takes an endpoint and somebody, says what they would see of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from headrace.base.access import ANONYMOUS, Principal
from headrace.cli.account_changes import claim_text, listed_or_dash
from headrace.cli.asking_as import asking, asking_options
from headrace.cli.explain import find_endpoint
from headrace.cli.opening import Published, open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import bad, good, print_json
from headrace.serve.scoping import Scoping
from headrace.store.snapshots import Case, Claim, EndpointContract, RowCase, Scope, TablePolicy


@dataclass(frozen=True, slots=True)
class Verdict:
    """What somebody would see of an endpoint.

    Attributes:
        may: whether they may ask.
        why: in words.
        rows: table -> the rules of its rows that hold for them, in words.
        lacking: table -> what the rules that are for them would need to hold, in words.
        hidden: "table.column" -> how its values are hidden from them.
    """

    may: bool
    why: str
    rows: Mapping[str, tuple[str, ...]]
    lacking: Mapping[str, tuple[str, ...]]
    hidden: Mapping[str, str]


@click.group(name="access")
def command() -> None:
    """Who may see what, tried out."""


@command.command(name="check")
@click.argument("endpoint")
@asking_options
@environment_option
@project_option
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    endpoint: str,
    account: str | None,
    roles: tuple[str, ...],
    claims: tuple[str, ...],
    environment: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Say whether somebody may call the published ENDPOINT (its name or its path), and what of it.

    Without --as, --role and --claim it is somebody without a credential. Nothing is asked and
    nothing is recorded. The exit code is 1 when they may not.
    """
    opened = open_project(folder)
    published = opened.published(environment)
    contract = find_endpoint(published, endpoint)
    principal = asking(opened, account, roles, claims) or ANONYMOUS
    verdict = judged(contract, published, principal)
    if as_json:
        print_json({"endpoint": contract.name, **_described(principal), **_as_json(verdict)})
    else:
        click.echo("\n".join(_lines(contract, principal, verdict)))
    ctx.exit(0 if verdict.may else 1)


def judged(contract: EndpointContract, published: Published, principal: Principal) -> Verdict:
    """What somebody would see of a published endpoint."""
    policies = published.snapshot.manifest.tables
    tables = {name: policies[name] for name in contract.tables if name in policies}
    held = _held(contract, principal)
    return Verdict(
        may=contract.access.allows(principal),
        why=_why(contract, principal),
        rows={
            name: tuple(
                _said(case, principal) for case in each.rows if (case.role, case.claims) in held
            )
            for name, each in tables.items()
            if each.rows is not None
        },
        lacking={
            name: found
            for name, each in tables.items()
            if (found := tuple(dict.fromkeys(_lacking(each, principal))))
        },
        hidden=dict(_hidden(tables, principal)),
    )


def _held(contract: EndpointContract, principal: Principal) -> set[tuple[str, tuple[str, ...]]]:
    """The cases that hold, as (role, claims): told by the very code that serves."""
    if contract.scope is None:
        return set()
    active = Scoping(contract.scope, "").bind(principal).active
    cases = contract.scope.cases
    return {("", ())} | {(cases[number].role, cases[number].claims) for number in active}


def _said(case: RowCase, principal: Principal) -> str:
    claims = ", ".join(f"{name} = {claim_text(principal.claims[name])}" for name in case.claims)
    rule = case.said or "all rows"
    by = f"as {case.role}: " if case.role else ""
    return f"{by}{rule}{f' ({claims})' if claims else ''}"


def _lacking(policy: TablePolicy, principal: Principal) -> Iterator[str]:
    types = {claim.name: claim for claim in policy.claims}
    for case in policy.rows or ():
        if not case.role or case.role in principal.roles:
            yield from (
                f"the claim {name}, as {types[name].type}: {_found(principal, name)}"
                for name in case.claims
                if not _fits(types[name], principal)
            )


def _fits(claim: Claim, principal: Principal) -> bool:
    """Whether a claim has a value of its type: told by the very code that serves."""
    alone = Scope((claim,), (Case("", (claim.name,)),))
    return bool(Scoping(alone, "").bind(principal).active)


def _found(principal: Principal, claim: str) -> str:
    value = principal.claims.get(claim)
    return "they have none" if value is None else f"theirs is {claim_text(value)}"


def _hidden(tables: Mapping[str, TablePolicy], principal: Principal) -> Iterator[tuple[str, str]]:
    for name, policy in tables.items():
        for mask in policy.masks:
            if principal.roles.isdisjoint(mask.roles):
                yield f"{name}.{mask.column}", mask.hide


def _why(contract: EndpointContract, principal: Principal) -> str:
    access = contract.access
    if access.kind != "granted":
        return f"it is open to {'everybody' if access.kind == 'public' else access.kind}"
    if principal.is_anonymous:
        return f"it needs a credential: {access}"
    has = sorted(principal.roles.intersection(access.roles))
    return f"by {', '.join(has)}" if has else f"it is open to {access}"


def _described(principal: Principal) -> dict[str, object]:
    return {
        "who": principal.id or None,
        "roles": sorted(principal.roles),
        "claims": dict(principal.claims),
    }


def _as_json(verdict: Verdict) -> dict[str, object]:
    rows = {name: list(rules) for name, rules in verdict.rows.items()}
    return {
        "may": verdict.may,
        "why": verdict.why,
        "rows": rows,
        "lacking": {name: list(needs) for name, needs in verdict.lacking.items()},
        "hidden": dict(verdict.hidden),
    }


def _lines(contract: EndpointContract, principal: Principal, verdict: Verdict) -> Iterator[str]:
    who = principal.id or "somebody without a credential"
    may = good("may call") if verdict.may else bad("may not call")
    yield f"{who} {may} {contract.path}: {verdict.why}"
    if not principal.is_anonymous:
        claims = [f"{name}={claim_text(value)}" for name, value in sorted(principal.claims.items())]
        yield f"  roles   {listed_or_dash(principal.roles)}"
        yield f"  claims  {', '.join(claims) or '-'}"
    for name, rules in verdict.rows.items():
        needs = verdict.lacking.get(name, ())
        none = f"none: a rule needs {'; '.join(needs)}" if needs else "none: no rule is for them"
        yield f"  rows    {name}: {'; or '.join(rules) or none}"
    for name, hide in verdict.hidden.items():
        yield f"  hidden  {name}: {hide}"
