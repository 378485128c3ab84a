"""`headrace serve`: takes an environment, serves what is published there over HTTP."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import click

from headrace.auth.accounts.accounts import Accounts
from headrace.auth.accounts.bootstrap import new_bootstrap_token
from headrace.auth.accounts.configured import is_configured
from headrace.base.errors import NotFound
from headrace.cli.opening import Opened, Published, open_project
from headrace.cli.options import environment_option, host_option, port_option, project_option
from headrace.cli.printing import cut, faint, good, table
from headrace.cli.server_log import log_to_stderr
from headrace.serve.server.listening import Listening, listen, url
from headrace.serve.server.supervising import Supervision, Supervisor
from headrace.store.store import Store

_DESCRIPTION_COLUMNS = 60
# Beyond what a server process gives itself.
_PATIENCE_SECONDS = 3.0


@click.command(name="serve")
@host_option
@port_option
@click.option(
    "--processes",
    type=click.IntRange(1, 1024),
    metavar="NUMBER",
    help="Server processes that share the port; by default the one of headrace.toml, else 1.",
)
@click.option(
    "--allow-unauthenticated",
    is_flag=True,
    help="Listen where other machines can connect, although nobody can prove who they are.",
)
@click.option(
    "--no-count", is_flag=True, help="Leave the calls out of the operations record: a load test."
)
@environment_option
@project_option
@click.pass_context
def command(
    ctx: click.Context,
    host: str | None,
    port: int | None,
    processes: int | None,
    allow_unauthenticated: bool,
    no_count: bool,
    environment: str | None,
    folder: Path,
) -> None:
    """Serve the published snapshot over HTTP, and every later one as soon as it is published.

    It reads the store, and no file of the project but headrace.toml. SIGTERM ends it, and SIGHUP
    replaces its processes with newly started ones, without a failed request.
    """
    opened = open_project(folder)
    name = opened.environment(environment)
    listening = Listening(
        host=opened.settings.host if host is None else host,
        port=opened.settings.port if port is None else port,
        authenticated=is_configured(opened.settings.auth, opened.store.accounts_path),
        allow_unauthenticated=allow_unauthenticated,
    )
    supervision = Supervision(
        processes=opened.settings.processes if processes is None else processes,
        lame_duck_seconds=listening.lame_duck_seconds,
        end_seconds=listening.end_seconds + _PATIENCE_SECONDS,
    )
    with listen(listening) as listener:
        address = url(listening.host, listener)
        click.echo(banner(opened, name, address))
        if not no_count:
            # A load test prints no token that would make the one of another server void.
            click.echo(way_in(opened.store, address))
        click.echo(faint("Ctrl-C ends it."))
        log_to_stderr()
        processes = supervision.processes
        program = server_process(opened.root, name, processes=processes, no_count=no_count)
        ctx.exit(Supervisor(program, listener, supervision).run())


def way_in(store: Store, address: str) -> str:
    """Where people sign in; as long as there is no account, how to make the first one."""
    console = f"{address}/console"
    with closing(Accounts.open(store.accounts_path, clock=store.clock)) as accounts:
        token = new_bootstrap_token(accounts)
    if token is None:
        return f"  {console}  {faint('sign in')}"
    return (
        f"No person has an account yet. The first one, an admin, is made at {console}/setup with\n"
        f"this token, which is good for one hour and for one account: {token.reveal()}\n"
        "`headrace users add` makes accounts, too."
    )


def server_process(root: Path, environment: str, *, processes: int, no_count: bool) -> list[str]:
    """The command that answers requests; it reads headrace.toml itself, so a deploy reads it anew.

    `-P`: nothing that lies in the current folder is taken for a module of ours.
    """
    program = [sys.executable, "-P", "-m", "headrace.cli.server_process"]
    options = ["--processes", str(processes), *(["--no-count"] if no_count else [])]
    return [*program, "--project", str(root), "--environment", environment, *options]


def banner(opened: Opened, environment: str, address: str) -> str:
    """What is served where, for people."""
    title = f"{opened.settings.name}, {environment}: {good(address)}"
    try:
        published = opened.published(environment)
    except NotFound:
        return f"{title}\n  nothing is published yet; `headrace run` publishes"
    return f"{title}\n{_endpoints(published)}"


def _endpoints(published: Published) -> str:
    manifest = published.snapshot.manifest
    rows = [
        ("GET", each.path, str(each.access), cut(each.description, _DESCRIPTION_COLUMNS))
        for each in manifest.endpoints
    ]
    # Which paths a router has, only its code says, and that runs where it is served.
    rows += [
        ("", each.path, str(each.access), "a router") for each in manifest.modules if each.router
    ]
    rows.append(("GET", "/openapi.json", "public", "for machines, what is open to them"))
    return table(("", "", "", ""), rows, indent="  ")
