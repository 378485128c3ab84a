"""`headrace roles`: lists the roles of a project, who has them, and what of the API they open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from headrace.auth.accounts.directory import Directory
from headrace.base.access import ADMIN, Access
from headrace.cli.account_changes import hand_down, open_accounts, read_directory
from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, json_option, project_option
from headrace.cli.printing import counted, cut, faint, good, print_json
from headrace.store.snapshots import Manifest

_NOTHING = Manifest("")
_LABEL_COLUMNS = 15


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role, who has it, and what it opens in the published snapshot.

    Attributes:
        accounts: who has it, themselves or by a group.
        groups: what gives it.
        endpoints: paths of endpoints and files of routers.
        tables: which may be queried ad hoc.
        rows: table -> the condition of the rows that it shows; "all" for all of them.
        columns: "table.column" that it unveils.
    """

    role: str
    accounts: tuple[str, ...]
    groups: tuple[str, ...]
    endpoints: tuple[str, ...]
    tables: tuple[str, ...]
    rows: dict[str, str]
    columns: tuple[str, ...]


@click.group(name="roles", invoke_without_command=True)
@environment_option
@project_option
@json_option
@click.pass_context
def command(ctx: click.Context, environment: str | None, folder: Path, as_json: bool) -> None:
    """List roles, who has them, and what each opens in the published snapshot.

    A role exists once an account, a group or an endpoint names it. `admin` manages accounts, keys
    and snapshots.
    """
    hand_down(ctx, folder)
    if ctx.invoked_subcommand is not None:
        return
    opened = open_project(folder)
    name = opened.environment(environment)
    head = opened.store.head(name)
    manifest = opened.store.snapshot(head).manifest if head is not None else _NOTHING
    roles = role_views(read_directory(opened), manifest)
    without = without_role(manifest)
    if as_json:
        print_json({"roles": [asdict(role) for role in roles], **without})
        return
    for role in roles:
        click.echo(_block(role))
    click.echo(click.style("without a role", bold=True))
    for kind, paths in without.items():
        click.echo("\n".join(_lines(kind, *(paths or ["nothing"]))))
    if head is None:
        click.echo(faint(f"nothing is published in {name}: `headrace run` publishes"))


@command.command(name="group")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="ROLE",
    help="A role for its members; repeat for more. Without, it gives them none.",
)
@project_option
def group(name: str, roles: tuple[str, ...], folder: Path) -> None:
    """Say which roles a group gives to its members, instead of those that it gave."""
    with open_accounts(folder) as to:
        to.accounts.set_group(name, roles)
        to.note("roles_changed", name, group="true", roles=" ".join(sorted(roles)))
        directory = to.accounts.directory()
    members = sum(name in account.groups for account in directory.accounts.values())
    click.echo(
        good(f"group {name}")
        + f" gives {', '.join(sorted(roles)) or 'no role'} to {counted(members, 'member')}"
    )


def role_views(directory: Directory, manifest: Manifest) -> list[RoleView]:
    """Every role that anything names, in alphabetical order, `admin` first."""
    has = {name: directory.roles_of(account) for name, account in directory.accounts.items()}
    named = {
        ADMIN,
        *_of_manifest(manifest),
        *_flat(has.values()),
        *_flat(directory.groups.values()),
    }
    return [
        RoleView(
            role=role,
            accounts=tuple(sorted(name for name, roles in has.items() if role in roles)),
            groups=tuple(sorted(n for n, roles in directory.groups.items() if role in roles)),
            endpoints=tuple(path for path, each in _served(manifest) if role in each.roles),
            tables=tuple(n for n, each in manifest.tables.items() if role in each.access.roles),
            rows=_rows(manifest, role),
            columns=tuple(
                f"{table}.{mask.column}"
                for table, policy in manifest.tables.items()
                for mask in policy.masks
                if role in mask.roles
            ),
        )
        for role in sorted(named, key=lambda role: (role != ADMIN, role))
    ]


def without_role(manifest: Manifest) -> dict[str, list[str]]:
    """What everybody may call, everybody with a credential, and whose scopes suffice."""
    found: dict[str, list[str]] = {"public": [], "authenticated": [], "by scope": []}
    for path, access in _served(manifest):
        if access.kind == "granted" and not access.roles:
            found["by scope"].append(f"{path} ({access})")
        elif access.kind in found:
            found[access.kind].append(path)
    return found


def _served(manifest: Manifest) -> Iterator[tuple[str, Access]]:
    """Everything that is served, by its path or its file, and who may call it."""
    for endpoint in manifest.endpoints:
        yield endpoint.path, endpoint.access
    for module in manifest.modules:
        if module.router:
            yield module.path, module.access


def _of_manifest(manifest: Manifest) -> Iterator[str]:
    """The roles that the contract names; some more than once."""
    for _, access in _served(manifest):
        yield from access.roles
    for policy in manifest.tables.values():
        yield from policy.access.roles
        yield from (case.role for case in policy.rows or () if case.role)
        for mask in policy.masks:
            yield from mask.roles


def _rows(manifest: Manifest, role: str) -> dict[str, str]:
    return {
        table: case.said or "all"
        for table, policy in manifest.tables.items()
        for case in policy.rows or ()
        if case.role == role
    }


def _block(view: RoleView) -> str:
    lines = [
        ("accounts", ", ".join(view.accounts) or "nobody"),
        ("groups", ", ".join(view.groups)),
        ("endpoints", *view.endpoints),
        ("tables", ", ".join(view.tables)),
        ("rows", *(f"{table}: {sql}" for table, sql in view.rows.items())),
        ("columns", ", ".join(view.columns)),
        ("manages", "accounts, keys and snapshots" if view.role == ADMIN else ""),
    ]
    return "\n".join(
        [
            click.style(view.role, bold=True),
            *(line for label, *texts in lines for line in _lines(label, *texts)),
        ]
    )


def _lines(label: str, *texts: str) -> Iterator[str]:
    """What there is of something, one a line; the first has its label."""
    for text in filter(None, texts):
        yield f"  {label:<{_LABEL_COLUMNS}}{cut(text, 10_000)}"
        label = ""


def _flat(sets: Iterable[Iterable[str]]) -> set[str]:
    return {each for some in sets for each in some}
