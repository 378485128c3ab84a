"""`headrace completion`: takes a shell's name, prints the script that completes commands in it."""

from __future__ import annotations

from typing import Literal

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_HEADRACE_COMPLETE"


@click.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: Literal["bash", "zsh", "fish"]) -> None:
    """Print the completion script of SHELL.

    \b
    bash   eval "$(headrace completion bash)"        in ~/.bashrc
    zsh    eval "$(headrace completion zsh)"         in ~/.zshrc
    fish   headrace completion fish | source         in ~/.config/fish/config.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None, shell
    click.echo(complete(ctx.find_root().command, {}, "headrace", _VARIABLE).source())
