"""`headrace serve`: takes an environment, serves what is published there over HTTP."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from headrace.base.errors import NotFound
from headrace.cli.opening import Opened, Published, open_project
from headrace.cli.options import environment_option, host_option, port_option, project_option
from headrace.cli.printing import cut, faint, good, table
from headrace.serve.app import create_app
from headrace.serve.running import Listening, listen, run
from headrace.serve.settings import ServeSettings

_DESCRIPTION_COLUMNS = 60


@click.command(name="serve")
@host_option
@port_option
@click.option(
    "--allow-unauthenticated",
    is_flag=True,
    help="Listen where other machines can connect, although nothing asks who they are.",
)
@click.option(
    "--no-count", is_flag=True, help="Leave the calls out of the operations record: a load test."
)
@environment_option
@project_option
def command(
    host: str | None,
    port: int | None,
    allow_unauthenticated: bool,
    no_count: bool,
    environment: str | None,
    folder: Path,
) -> None:
    """Serve the published snapshot over HTTP, and every later one as soon as it is published.

    It reads the store, and no file of the project but headrace.toml. SIGTERM ends it without a
    failed request.
    """
    opened = open_project(folder)
    name = opened.environment(environment)
    settings = ServeSettings(
        deadline_seconds=opened.settings.deadline_seconds,
        memory_limit=opened.settings.memory_limit,
        count_calls=not no_count,
        redis=opened.settings.redis,
        project=opened.settings.name,
        cors=opened.settings.cors,
        snapshots=opened.settings.snapshots,
        streams=opened.settings.streams,
    )
    listening = Listening(
        host=opened.settings.host if host is None else host,
        port=opened.settings.port if port is None else port,
        allow_unauthenticated=allow_unauthenticated,
    )
    with listen(listening) as listener:
        click.echo(banner(opened, name, url(listening.host, listener)))
        run(create_app(opened.store, name, settings), listener, listening)


def url(host: str, listener: socket.socket) -> str:
    """The address that a listening socket answers on; its port is known only now if it was 0."""
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def banner(opened: Opened, environment: str, address: str) -> str:
    """What is served where, for people."""
    title = f"{opened.settings.name}, {environment}: {good(address)}"
    try:
        published = opened.published(environment)
    except NotFound:
        return f"{title}\n  nothing is published yet; `headrace run` publishes"
    return f"{title}\n{_endpoints(published)}\n{faint('Ctrl-C ends it.')}"


def _endpoints(published: Published) -> str:
    contracts = published.snapshot.manifest.endpoints
    rows = [("GET", each.path, cut(each.description, _DESCRIPTION_COLUMNS)) for each in contracts]
    rows.append(("GET", "/openapi.json", "all of it for machines"))
    return table(("", "", ""), rows, indent="  ")
