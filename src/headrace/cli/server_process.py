"""One server process of `headrace serve`: takes what its parent hands it, serves until the end.

It is no command for people: `headrace serve` starts it, with the socket that all of them share.
"""

from __future__ import annotations

from pathlib import Path

import click

from headrace.base.errors import HeadraceError
from headrace.cli.failures import report_error
from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, project_option
from headrace.cli.server_log import log_to_stderr
from headrace.console import Console
from headrace.serve import ServeSettings, create_app
from headrace.serve.editions.watching import Watcher
from headrace.serve.server.listening import Listening
from headrace.serve.server.running import Inherited, run
from headrace.serve.settings import shared
from headrace.serve.signing_in.face import SigningIn


@click.command(name="server-process")
@environment_option
@project_option
@click.option("--processes", default=1, type=int, help="How many share what one may use.")
@click.option("--no-count", is_flag=True, help="Leave the calls out of the operations record.")
@click.option("--inherited", required=True, metavar="LISTENER,LIFE,REPORT")
@click.pass_context
def command(
    ctx: click.Context,
    environment: str | None,
    folder: Path,
    processes: int,
    no_count: bool,
    inherited: str,
) -> None:
    """Serve on a socket that was inherited."""
    log_to_stderr()
    try:
        opened = open_project(folder)
        settings = ServeSettings(
            deadline_seconds=opened.settings.deadline_seconds,
            memory_limit=opened.settings.memory_limit,
            count_calls=not no_count,
            redis=opened.settings.redis,
            project=opened.settings.name,
            root=opened.root,
            cors=opened.settings.cors,
            snapshots=opened.settings.snapshots,
            streams=opened.settings.streams,
            auth=opened.settings.auth,
            limits=opened.settings.limits,
        )
        name = opened.environment(environment)

        def pages(signing_in: SigningIn, watcher: Watcher) -> Console:
            return Console(signing_in, watcher, opened.settings.name)

        service = create_app(opened.store, name, shared(settings, processes), pages)
        from_parent = Inherited.of(inherited)
        run(service, from_parent.listener, Listening(), from_parent)
    except HeadraceError as error:
        ctx.exit(report_error(error, as_json=False))
    except KeyboardInterrupt:
        # The server has ended in order; the parent knows that it was told to.
        return


if __name__ == "__main__":
    command()
