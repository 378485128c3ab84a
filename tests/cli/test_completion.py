"""`headrace completion` prints a script for each shell."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.shops import call


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    result = call("completion", shell)
    assert result.exit_code == 0
    assert f"_HEADRACE_COMPLETE={shell}_complete" in result.stdout


def test_the_script_is_answered() -> None:
    environment = {
        **os.environ,
        "_HEADRACE_COMPLETE": "bash_complete",
        "COMP_WORDS": "headrace sn",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout == "plain,snapshots\n"


def test_another_shell_is_the_users_mistake() -> None:
    result = call("completion", "csh")
    assert result.exit_code == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in result.stderr
