"""Opening a project reads its settings and its store, and nothing else."""

from __future__ import annotations

import pytest

from headrace.base.errors import NotFound, ProjectError, UsageError
from headrace.cli.opening import open_project
from tests.cli.shops import Shop

TABLES = {"orders": "SELECT 1 AS id"}


def test_a_folder_inside_of_the_project_will_do(shop: Shop) -> None:
    below = shop.root / "models" / "deep"
    below.mkdir(parents=True)
    assert open_project(below).root == shop.root


def test_the_settings_name_the_environment_unless_the_user_does(shop: Shop) -> None:
    (shop.root / "headrace.toml").write_text('name = "shop"\n[run]\nenvironment = "dev"\n')
    opened = open_project(shop.root)
    assert (opened.environment(None), opened.environment("prod")) == ("dev", "prod")


def test_mistakes_in_the_settings_are_reported(shop: Shop) -> None:
    (shop.root / "headrace.toml").write_text("[run]\n")
    with pytest.raises(ProjectError) as error:
        open_project(shop.root)
    assert str(error.value).startswith("headrace.toml:1: this project has no `name`")


@pytest.mark.parametrize(
    ("text", "found"),
    [("1", ("prod", 1)), ("prod", ("prod", 2)), ("dev", ("dev", 1)), ("prod:1", ("prod", 1))],
)
def test_a_snapshot_has_three_kinds_of_names(text: str, found: tuple[str, int], shop: Shop) -> None:
    shop.publish(TABLES)
    shop.publish(TABLES)
    shop.publish(TABLES, environment="dev")
    ref = open_project(shop.root).find(text, None)
    assert (ref.environment, ref.number) == found


@pytest.mark.parametrize("text", ["", ":", ":1", "prod:", "prod:x", "a b"])
def test_what_names_no_snapshot_is_refused(text: str, shop: Shop) -> None:
    with pytest.raises(UsageError, match="does not name a snapshot"):
        open_project(shop.root).find(text, None)


def test_an_environment_without_anything_says_what_there_is(shop: Shop) -> None:
    shop.publish(TABLES)
    with pytest.raises(NotFound) as error:
        open_project(shop.root).published("dev")
    assert str(error.value) == (
        "dev: nothing is published in this environment; expected one of `prod`;"
        " run `headrace run` to publish to it"
    )
