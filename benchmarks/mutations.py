"""Small mistakes that could stand in a module: one changed operator, constant or statement each.

What is left alone has no behaviour of its own: annotations, texts, decorators, ``field(…)``, and
``strict=``, ``copy=`` and ``kind=`` of calls, which check or spare work.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

COMPARED: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
    ast.Is: ast.IsNot(),
    ast.IsNot: ast.Is(),
    ast.In: ast.NotIn(),
    ast.NotIn: ast.In(),
}
REACHED: dict[type[ast.operator], ast.operator] = {
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.FloorDiv: ast.Mult(),
    ast.Mod: ast.Mult(),
    ast.Pow: ast.Mult(),
    ast.MatMult: ast.Mult(),
    ast.BitAnd: ast.BitOr(),
    ast.BitOr: ast.BitAnd(),
}
UNTOUCHED_KEYWORDS = {"strict", "copy", "kind"}


@dataclass(frozen=True)
class Mutant:
    """One mistake, and the lines of the statement in which it stands."""

    first: int
    last: int
    before: str
    after: str
    tree: ast.Module


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    found = []
    for path in _sites(tree, ()):
        for changed in _changes(_at(tree, path)):
            found.append(_mutant(tree, path, changed))
    return found


Path = tuple[tuple[str, int | None], ...]
"""From the module to a node: names of fields, with the place in a list where they are lists."""


def _sites(node: ast.AST, path: Path) -> Iterator[Path]:
    yield path
    for name, value in ast.iter_fields(node):
        if isinstance(value, list):
            children: list[tuple[int | None, Any]] = list(enumerate(value))
        else:
            children = [(None, value)]
        for place, child in children:
            if isinstance(child, ast.AST) and not _left_alone(node, name, child):
                yield from _sites(child, (*path, (name, place)))


def _left_alone(parent: ast.AST, name: str, child: ast.AST) -> bool:
    if name in ("annotation", "returns", "decorator_list"):
        return True
    if isinstance(child, ast.keyword):
        return child.arg in UNTOUCHED_KEYWORDS
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True  # a docstring
    if isinstance(child, ast.AnnAssign | ast.Assign) and _is_declaration(child):
        return True
    called = child.func if isinstance(child, ast.Call) else None
    return isinstance(child, ast.JoinedStr) or (
        isinstance(called, ast.Name) and called.id == "field"
    )


def _is_declaration(node: ast.AnnAssign | ast.Assign) -> bool:
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "__all__"
    return ast.unparse(node.annotation) == "TypeAlias"


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in place of a node."""
    new = copy.deepcopy(node)
    match new:
        case ast.Compare(ops=[operator, *_]) if type(operator) in COMPARED:
            new.ops[0] = COMPARED[type(operator)]
            yield new
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in REACHED:
            new.op = REACHED[type(operator)]
            yield new
        case ast.BoolOp():
            new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
            yield new
        case ast.UnaryOp(op=ast.Not() | ast.Invert() | ast.USub()):
            yield new.operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float() as value):
            yield ast.Constant(2 * value or 1.0)
        case ast.If() | ast.IfExp() | ast.While():
            new.test = ast.UnaryOp(ast.Not(), new.test)
            yield new
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield ast.Return(ast.Constant(None))
    if _can_be_left_out(node):
        yield ast.Pass()


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


def _can_be_left_out(node: ast.AST) -> bool:
    """Whether a statement binds no name, which would be missed by all that follows."""
    if isinstance(node, ast.Assign):
        return not isinstance(node.targets[0], ast.Name | ast.Tuple)
    return isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break)


def _mutant(tree: ast.Module, path: Path, changed: ast.AST) -> Mutant:
    statement = tree.body[0]
    for end in range(1, len(path) + 1):
        inner = _at(tree, path[:end])
        statement = inner if isinstance(inner, ast.stmt) else statement
    mutated = copy.deepcopy(tree)
    _replace(mutated, path, changed)
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) else statement.end_lineno
    return Mutant(
        first=statement.lineno,
        last=max(statement.lineno, last or 0),
        before=_shown(_at(tree, path)),
        after=_shown(changed),
        tree=ast.fix_missing_locations(mutated),
    )


def _at(tree: ast.AST, path: Path) -> ast.AST:
    node = tree
    for name, place in path:
        value = getattr(node, name)
        node = value if place is None else value[place]
    return node


def _replace(tree: ast.AST, path: Path, changed: ast.AST) -> None:
    *above, (name, place) = path
    parent = _at(tree, tuple(above))
    if place is None:
        setattr(parent, name, changed)
    else:
        getattr(parent, name)[place] = changed


def _shown(node: ast.AST) -> str:
    """The first line of a node's code."""
    return ast.unparse(node).splitlines()[0]
