"""Reads what a query compares with its parameters: takes a SELECT's tree, gives its conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from headrace.base.types import INTEGER_TYPES
from headrace.engines.trees import Node, parameters
from headrace.pipeline.compile.local_expressions import conjuncts, nodes_of


class NotKeyed(Exception):
    """Raised for the clause by which no order of rows answers a query.

    Attributes:
        node: the clause; None for the whole query.
        says: what it does, as the rest of a sentence that begins with its text.
        advice: what to write instead; "" when nothing is known.
        before: what stands before the clause in the text: "ORDER BY ".
        about: another clause, whose text stands for `{}` in `says` and `advice`.
    """

    def __init__(
        self,
        node: Node | None,
        says: str,
        advice: str = "",
        *,
        before: str = "",
        about: Node | None = None,
    ) -> None:
        super().__init__(says)
        self.node, self.says, self.advice = node, says, advice
        self.before, self.about = before, about


@dataclass(frozen=True, slots=True)
class Comparison:
    """`expression = $parameter`, or one end of a range.

    Attributes:
        clause: the condition that it is of.
        casts: the types, as nodes, to which the parameter is cast where it is compared.
        inclusive: whether an equal value is within the range.
    """

    clause: Node
    expression: Node
    parameter: str
    casts: tuple[Node, ...] = ()
    inclusive: bool = True


@dataclass(frozen=True, slots=True)
class Conditions:
    """A WHERE clause: what holds for every request, and what each asks for."""

    fixed: tuple[Node, ...] = ()
    equal: tuple[Comparison, ...] = ()
    low: tuple[Comparison, ...] = ()
    high: tuple[Comparison, ...] = ()
    seen: frozenset[int] = field(default=frozenset())
    """ids of the PARAMETER nodes that are accounted for."""


_MIRRORED = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}
_COMPARE = "compare a column with the parameter by =, <, <=, >, >= or BETWEEN"
_SAYS = {
    "CONJUNCTION_OR": (
        "leaves a choice between conditions",
        "give each choice an endpoint of its own, with conditions that all hold (AND)",
    ),
    "COMPARE_IN": (
        "asks for several values at once",
        "compare with one value by =, and send one request for each",
    ),
    "COMPARE_NOT_IN": ("asks for all values but some", _COMPARE),
    "COMPARE_NOTEQUAL": ("asks for all values but one", _COMPARE),
    "COMPARE_NOT_DISTINCT_FROM": (
        "also asks for NULL",
        "compare by =, if NULL need not be asked for",
    ),
    "COMPARE_DISTINCT_FROM": ("asks for all values but one", _COMPARE),
    "OPERATOR_NOT": ("asks for all that a condition is not true of", _COMPARE),
}
_FUNCTIONS = {
    "~~": ("compares with a pattern", _COMPARE),
    "~~*": ("compares with a pattern", _COMPARE),
    "!~~": ("compares with a pattern", _COMPARE),
    "!~~*": ("compares with a pattern", _COMPARE),
}
_MIXED = "compares with a parameter and with something fixed at once"
_COMPUTES = (
    "computes with a parameter",
    "make a column in a model of what is asked for, and compare that with the parameter itself",
)


def read_conditions(where: Node | None) -> Conditions:
    """The conditions of a WHERE clause.

    Raises:
        NotKeyed: for one that is neither free of parameters nor compares with one of them.
    """
    fixed: list[Node] = []
    equal: list[Comparison] = []
    ends: dict[str, list[Comparison]] = {"low": [], "high": []}
    for clause in conjuncts(where):
        if not mentions_parameters(clause):
            fixed.append(clause)
        elif clause["type"] == "COMPARE_BETWEEN":
            _between(clause, ends)
        else:
            kind, comparison = _comparison(clause)
            (equal if kind == "equal" else ends[kind]).append(comparison)
    low, high = tuple(ends["low"]), tuple(ends["high"])
    seen = frozenset(id(node) for each in (*equal, *low, *high) for node in parameters(each.clause))
    return Conditions(tuple(fixed), tuple(equal), low, high, seen)


def mentions_parameters(node: object) -> bool:
    """Whether a parameter stands anywhere in a tree."""
    return next(parameters(node), None) is not None


def _comparison(clause: Node) -> tuple[str, Comparison]:
    """ "equal", "low" or "high", and what is compared."""
    kind = str(clause["type"])
    if kind not in _MIRRORED:
        raise _refusal(clause)
    for own, other, seen_as in (
        (clause["left"], clause["right"], kind),
        (clause["right"], clause["left"], _MIRRORED[kind]),
    ):
        parameter = _parameter(other)
        if parameter is not None and not mentions_parameters(own):
            name, casts = parameter
            inclusive = seen_as.endswith("EQUALTO")
            end = "low" if "GREATER" in seen_as else "high"
            end = "equal" if seen_as == "COMPARE_EQUAL" else end
            return end, Comparison(clause, _plain(own, clause), name, casts, inclusive)
    raise NotKeyed(clause, *_COMPUTES)


def _between(clause: Node, ends: dict[str, list[Comparison]]) -> None:
    """BETWEEN as two conditions."""
    if mentions_parameters(clause["input"]):
        says = "asks between which two values a parameter lies"
        raise NotKeyed(clause, says, "compare one column with the parameter")
    for end, bound in (("low", clause["lower"]), ("high", clause["upper"])):
        parameter = _parameter(bound)
        if parameter is None:
            # BETWEEN compares all three in one type; apart, the fixed end may have another.
            fix = "write its two ends as conditions of their own: … >= … AND … <= …"
            raise NotKeyed(clause, *(_COMPUTES if mentions_parameters(bound) else (_MIXED, fix)))
        ends[end].append(Comparison(clause, _plain(clause["input"], clause), *parameter))


def _parameter(node: Node) -> tuple[str, tuple[Node, ...]] | None:
    """The parameter that an expression is, with the types that it is cast to; None for others."""
    casts: list[Node] = []
    while node.get("type") == "OPERATOR_CAST":
        casts.append(node["type_expr"])
        node = node["child"]
    if node.get("class") != "PARAMETER":
        return None
    return str(node["identifier"]), tuple(casts)


def _plain(expression: Node, clause: Node) -> Node:
    """An expression that follows from one row.

    Raises:
        NotKeyed: it does not, or needs no row at all.
    """
    if any(each.get("class") == "SUBQUERY" for each in nodes_of(expression)):
        says = "compares the answer of a query with a parameter"
        raise NotKeyed(clause, says, "join what that query gives, and compare its column")
    if not any(each.get("class") == "COLUMN_REF" for each in nodes_of(expression)):
        raise NotKeyed(clause, "compares no column with a parameter", _COMPARE)
    return expression


def _refusal(clause: Node) -> NotKeyed:
    if clause["type"] == "FUNCTION":
        return NotKeyed(clause, *_FUNCTIONS.get(str(clause["function_name"]), _COMPUTES))
    if clause.get("class") == "SUBQUERY":
        return NotKeyed(clause, "asks another query", "join what that query gives")
    return NotKeyed(clause, *_SAYS.get(str(clause["type"]), _COMPUTES))


@dataclass(frozen=True, slots=True)
class Page:
    """A query's own LIMIT and OFFSET: numbers, or names of parameters."""

    limit: int | str | None = None
    offset: int | str | None = None
    seen: frozenset[int] = frozenset()


def read_page(modifiers: list[Node], types: Mapping[str, str]) -> Page:
    """LIMIT and OFFSET; `types` are those of the parameters.

    Raises:
        NotKeyed: one of them is a share of the rows, is computed, or is no whole number.
    """
    for modifier in modifiers:
        if modifier["type"] == "LIMIT_MODIFIER":
            limit, offset = modifier["limit"], modifier["offset"]
            if modifier["limit_type"] != "ROW_COUNT":
                raise NotKeyed(
                    limit, "is a share of the rows", "give a number of rows", before="LIMIT "
                )
            seen = frozenset(id(node) for node in parameters([limit, offset]))
            pages = _rows(limit, "LIMIT ", types), _rows(offset, "OFFSET ", types)
            return Page(*pages, seen)
    return Page()


def _rows(node: Node | None, before: str, types: Mapping[str, str]) -> int | str | None:
    if node is None:
        return None
    if (parameter := _parameter(node)) is not None and not parameter[1]:
        if types[parameter[0]] not in INTEGER_TYPES:
            fix = f"declare an integer: params: {{{parameter[0]}: {{type: bigint}}}}"
            raise NotKeyed(
                node, f"is no whole number: it is of type {types[parameter[0]]}", fix, before=before
            )
        return parameter[0]
    literal = node.get("literal", {"kind": ""})
    if literal["kind"] == "NULL_LITERAL":
        return None
    if literal["kind"] != "INTEGER":
        fix = "give a number, or a parameter by itself: its `max` in the header caps it"
        raise NotKeyed(node, "is computed", fix, before=before)
    return int(literal["text"])


def references(node: object) -> Iterator[Node]:
    """The column references of an expression, those of its subqueries not."""
    return (each for each in nodes_of(node) if each.get("class") == "COLUMN_REF")
