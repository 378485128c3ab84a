"""`headrace dev` serves all the time, runs on every change, and leaves no process behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.cli.dev import changes, described
from headrace.cli.new import write_skeleton

ENDS_WITHIN_SECONDS = 30


def read_until(server: subprocess.Popen[str], ending: Callable[[str], bool]) -> str:
    """The first line of what the server prints for which `ending` holds."""
    assert server.stdout is not None
    seen = []
    for line in server.stdout:
        seen.append(line)
        if ending(line):
            return line
    pytest.fail("".join(seen))


def test_a_change_is_built_a_mistake_is_shown_and_the_server_goes_on(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "shop")
    command = [sys.executable, "-m", "headrace.cli.main", "dev", "--port", "0"]
    command += ["-C", str(tmp_path / "shop")]
    model = tmp_path / "shop" / "models" / "daily_revenue.sql"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        try:
            read_until(server, lambda line: line.startswith("published snapshot 1 to prod"))
            banner = read_until(server, lambda line: "http://" in line)
            url = f"{banner.split()[-1]}/stores/7/revenue"
            before = urllib.request.urlopen(url).read()

            model.write_text(model.read_text().replace("count(*)", "count(*) + 1"))
            read_until(server, lambda line: line == "models/daily_revenue.sql changed\n")
            read_until(server, lambda line: line.startswith("published snapshot 2 to prod"))

            model.write_text("SELECT nothing FROM nowhere")
            read_until(server, lambda line: line.startswith("error: models/daily_revenue.sql"))
            assert urllib.request.urlopen(url).read() != b""
            assert before.startswith(b'[{"day":')

            server.send_signal(signal.SIGTERM)
            assert server.wait(ENDS_WITHIN_SECONDS) == 130
            with pytest.raises(urllib.error.URLError, match="refused"):
                urllib.request.urlopen(url)
        finally:
            server.kill()


def test_what_headrace_writes_is_no_change(tmp_path: Path) -> None:
    """The first change that is seen is the user's, though others came before it."""
    for folder in ("models", ".headrace/cache", "store"):
        (tmp_path / folder).mkdir(parents=True)
    found = changes(tmp_path, tmp_path / "store")
    assert next(found) == []
    (tmp_path / "store" / "x").write_text("")
    (tmp_path / ".headrace" / "cache" / "x").write_text("")
    (tmp_path / "models" / "a.sql").write_text("")
    assert next(paths for paths in found if paths) == [tmp_path / "models" / "a.sql"]


def test_a_few_files_are_named_and_many_are_counted(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.sql", "b.sql", "c.sql", "d.sql")]
    for path in paths:
        path.write_text("")
    assert described(paths[:2], tmp_path) == "a.sql, b.sql changed"
    assert described(paths, tmp_path) == "4 files changed"


def test_the_temporary_file_of_an_editor_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("")
    assert described([tmp_path / "a.sql", tmp_path / "sedGuH2rZ"], tmp_path) == "a.sql changed"
    assert described([tmp_path / "gone.sql"], tmp_path) == "gone.sql changed"
