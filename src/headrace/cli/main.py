"""The entry point: takes a command line, imports the one command it names, gives its exit code.

Nothing but click and two small modules of `base` is imported before a command is known, so that
`headrace --help` and shell completion answer at once.
"""

from __future__ import annotations

import os
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from headrace.base.errors import HeadraceError
from headrace.base.names import near_miss
from headrace.cli.failures import report_click, report_error, report_unexpected

INTERRUPTED = 130

# Command -> its one-line help. The module `headrace.cli.<command>` holds `command`.
COMMANDS = {
    "new": "Create a project that works as it is.",
    "plan": "Show what a run would do, and why.",
    "test": "Run the unit tests of tests/ in memory.",
    "run": "Build what changed, check it, publish it.",
    "serve": "Serve the published snapshot over HTTP.",
    "dev": "Run, serve, and run again on every change.",
    "query": "Run one SELECT against a published snapshot.",
    "explain": "Show all about one endpoint.",
    "bench": "Measure how fast endpoints are answered, and why.",
    "lineage": "Show what a column is made of and what is made of it.",
    "status": "Show what is published and how the last runs went.",
    "snapshots": "List what was published, newest first.",
    "diff": "Compare two snapshots or environments.",
    "environments": "List what each environment shows.",
    "promote": "Publish in one environment what another shows.",
    "rollback": "Publish an older snapshot again.",
    "users": "List, add and change accounts.",
    "roles": "List roles, who has them, and what they open.",
    "keys": "List, create and revoke API keys.",
    "access": "Try out who may see what.",
    "sources": "Infer the contract of raw files.",
    "audit": "Show, verify or export who did what.",
    "doctor": "Check the installation and the store.",
    "gc": "Delete stored data that nothing needs.",
    "completion": "Print the completion script of a shell.",
}


class LazyGroup(click.Group):
    """The table `COMMANDS` as a click group: a command's module is imported when it is invoked.

    It is also the outermost edge: what a command raises becomes a message and an exit code here.
    """

    # click gives every one of these methods a context, whether it is needed or not.
    # ruff: noqa: ARG002
    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"headrace.cli.{cmd_name}").command
        assert isinstance(command, click.Command), cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands into the help text. Imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that start with `incomplete`. Imports none of them."""
        found = [name for name in COMMANDS if name.startswith(incomplete)]
        items = [CompletionItem(name, help=COMMANDS[name]) for name in found]
        return items or click.Command.shell_complete(self, ctx, incomplete)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command; remember whether errors must be JSON."""
        ctx.meta["headrace.json"] = "--json" in args
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name; a misspelt one gets its near miss."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = near_miss(args[0], COMMANDS) or "`headrace --help` lists the commands"
            raise click.UsageError(f"`{args[0]}` is not a command; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; turn whatever it raises into a message and an exit code."""
        as_json: bool = ctx.meta["headrace.json"]
        try:
            return super().invoke(ctx)
        except HeadraceError as error:
            ctx.exit(report_error(error, as_json=as_json))
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)
        except click.ClickException as error:
            if not as_json:
                raise
            ctx.exit(report_click(error))
        except (click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            ctx.exit(report_unexpected(error, as_json=as_json))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show the traceback of an unexpected error.")
@click.version_option(message="headrace %(version)s", package_name="headrace")
def cli(debug: bool) -> None:
    """From raw data to a trusted API, in one Python project.

    Start with `headrace new shop`, then `headrace dev` inside the new folder.
    """


def main() -> None:
    """Run the command line of this process; never returns."""
    cli(prog_name="headrace")


if __name__ == "__main__":
    main()
