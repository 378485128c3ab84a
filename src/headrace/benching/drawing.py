"""Draws requests: takes an endpoint's contract and rows of its tables, gives paths to ask for.

Each parameter gets values of the column that it is compared with, as often as rows have them: hot
keys are asked for often, as users do, and hardly any answer is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias
from urllib.parse import quote, urlencode

from headrace.base.errors import UsageError
from headrace.base.types import INTEGER_TYPES, spelt
from headrace.benching.sampling import SampledRow, Sampler
from headrace.serve.asking.parameters import ParameterReader
from headrace.serve.asking.scalars import Unfit
from headrace.store.snapshots import EndpointContract, Parameter

Rules: TypeAlias = Mapping[str, Callable[[str], object]]
"""Parameter -> what reads a text of it, and raises Unfit when it is no value."""

_LIST_VALUES = 3
_INTEGERS = 1000


@dataclass(frozen=True, slots=True)
class Drawn:
    """The requests of one endpoint.

    Attributes:
        contract: of the endpoint.
        targets: paths with their queries, in the order in which they are asked; the same one comes
            as often as the data says. Empty when `missing` says why.
        missing: what keeps anybody from asking, and what would help; "" when there are targets.
    """

    contract: EndpointContract
    targets: tuple[str, ...]
    missing: str = ""


def draw(contract: EndpointContract, sampler: Sampler, given: Mapping[str, Sequence[str]]) -> Drawn:
    """As many requests to an endpoint as rows are sampled, the same ones for the same seed.

    Args:
        contract: of the endpoint.
        sampler: of the snapshot that has the endpoint.
        given: parameter -> the only texts that it gets, chosen by chance. Names that are no
            parameters of the endpoint are ignored.

    Raises:
        UsageError: a given text is no value of its parameter.
        duckdb.Error: a data file cannot be read.
    """
    # Seeded for each endpoint alone: it is asked the same whichever others are measured.
    chance = Random(f"{sampler.seed} {contract.name}")  # noqa: S311  # no secret
    rules: Rules = {name: rule.value for name, rule in ParameterReader.of(contract).rules}
    choices = _given(rules, given)
    left = [each for each in contract.parameters if each.name not in choices]
    drawn = [each for each in left if sampler.has(each.column)]
    try:
        for parameter in left:
            if parameter not in drawn and (texts := _declared(parameter, chance)):
                choices[parameter.name] = texts
        tables = [_Table.of(contract, sampler, each, rules) for each in _by_table(drawn)]
    except _Missing as exc:
        return Drawn(contract, (), str(exc))
    varies = bool(tables) or any(len(texts) > 1 for texts in choices.values())
    targets: list[str] = []
    for number in range(sampler.count if varies else 1):
        values = {name: [chance.choice(texts)] for name, texts in choices.items()}
        for table in tables:
            values |= table.values(number, chance)
        targets.append(target(contract, values))
    return Drawn(contract, tuple(targets))


def target(contract: EndpointContract, values: Mapping[str, Sequence[str]]) -> str:
    """The path and query of a request.

    Args:
        contract: of the endpoint.
        values: parameter -> texts; several of a list.
    """
    path = contract.path
    query: list[tuple[str, str]] = []
    for name, texts in values.items():
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", quote(texts[0], safe=""))
        else:
            query += [(name, text) for text in texts]
    if contract.path.endswith("}") and "." in path.rpartition("/")[2]:
        # A value that ends in `.csv` would choose a format: the ending after it does.
        path += ".json"
    return f"{path}?{urlencode(query)}" if query else path


class _Missing(Exception):
    """There is nothing to draw a parameter from; the message says why, and what would help."""


@dataclass(frozen=True, slots=True)
class _Table:
    """The parameters that are compared with columns of one table, and rows to draw them from.

    `groups` has the places of parameters that share a column, the lower bound of a range first.
    """

    parameters: tuple[Parameter, ...]
    groups: tuple[tuple[int, ...], ...]
    rows: list[SampledRow]

    @classmethod
    def of(
        cls,
        contract: EndpointContract,
        sampler: Sampler,
        parameters: Sequence[Parameter],
        rules: Rules,
    ) -> _Table:
        parameters = sorted(parameters, key=lambda each: _rank(contract, each.name))
        columns = [
            (each.column.partition(".")[2], each.type.removesuffix("[]")) for each in parameters
        ]
        table = parameters[0].column.partition(".")[0]
        rows = [row for row in sampler.rows(table, columns) if _fits(rules, parameters, row)]
        if not rows:
            names = ", ".join(f"`{each.name}`" for each in parameters)
            raise _Missing(
                f"no row of `{table}` has a value that {names} may take; "
                f"{_helping(parameters[0].name)}"
            )
        groups: dict[str, list[int]] = {}
        for place, parameter in enumerate(parameters):
            groups.setdefault(parameter.column, []).append(place)
        return cls(tuple(parameters), tuple(map(tuple, groups.values())), rows)

    def values(self, number: int, chance: Random) -> dict[str, list[str]]:
        """The texts of each parameter in one request: of one row, where one is enough."""
        row = self.rows[number % len(self.rows)]
        values: dict[str, list[str]] = {}
        for group in self.groups:
            others = [chance.choice(self.rows) for _ in group[1:]]
            found = sorted((each[group[0]] for each in (row, *others)), key=lambda each: each.value)
            for place, sampled in zip(group, found, strict=True):
                values[self.parameters[place].name] = [sampled.text]
        for place, parameter in enumerate(self.parameters):
            if parameter.type.endswith("[]"):
                several = [chance.choice(self.rows)[place].text for _ in range(_LIST_VALUES)]
                values[parameter.name] = list(dict.fromkeys(several))
        return values


def _given(rules: Rules, given: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    own = {name: texts for name, texts in given.items() if name in rules}
    for name, texts in own.items():
        for text in texts:
            try:
                rules[name](text)
            except Unfit as exc:
                raise UsageError(f"--param {name}={text}: found {text!r}; expected {exc}") from exc
    return own


def _declared(parameter: Parameter, chance: Random) -> Sequence[str]:
    """Texts that the contract itself names; none for a parameter that is left to its default."""
    if parameter.enum:
        return [spelt(each) for each in parameter.enum]
    if not parameter.required:
        return ()
    if parameter.type == "BOOLEAN":
        return ("true", "false")
    low, high = parameter.min, parameter.max
    if low is None or high is None:
        raise _Missing(
            f"`{parameter.name}` is compared with no column, and has neither a default, nor `enum`,"
            f" nor both `min` and `max`; {_helping(parameter.name)}"
        )
    if parameter.type in INTEGER_TYPES and isinstance(low, int) and isinstance(high, int):
        return [str(chance.randint(low, high)) for _ in range(_INTEGERS)]
    return [spelt(low), spelt(high)]


def _helping(name: str) -> str:
    return f"`--param {name}=…` gives it a value"


def _by_table(parameters: Sequence[Parameter]) -> list[list[Parameter]]:
    tables: dict[str, list[Parameter]] = {}
    for parameter in parameters:
        tables.setdefault(parameter.column.partition(".")[0], []).append(parameter)
    return list(tables.values())


def _rank(contract: EndpointContract, name: str) -> tuple[int, int]:
    """The lower bound of a range before the upper one, as far as the contract or the SQL tells."""
    keyed = contract.keyed
    if keyed is not None and keyed.high is not None and keyed.high.parameter == name:
        return (1, 0)
    found = re.search(rf"\${re.escape(name)}\b", contract.sql)
    return (0, found.start() if found else 0)


def _fits(rules: Rules, parameters: Sequence[Parameter], row: SampledRow) -> bool:
    for parameter, sampled in zip(parameters, row, strict=True):
        if parameter.place == "path" and not sampled.text:
            return False
        try:
            rules[parameter.name](sampled.text)
        except Unfit:
            return False
    return True
