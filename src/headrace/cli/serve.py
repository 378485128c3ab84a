"""`headrace serve`: takes an environment, serves what is published there over HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.opening import open_project
from headrace.cli.options import environment_option, project_option
