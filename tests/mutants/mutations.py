# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Small changes of a module's source, each of which some test should notice."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutant:
    """
    One change of one module.

    @ivar module: the module's dotted name below C{inetdtw}.
    @ivar function: the qualified name of the function that is changed.
    @ivar line: the number of the line where the change begins, from 1.
    @ivar before: the source that is replaced.
    @ivar after: the source that replaces it.
    @ivar start: where C{before} begins in the module's UTF-8 bytes.
    """

    module: str
    function: str
    line: int
    before: str
    after: str
    start: int

    def __str__(self) -> str:
        """Return a line that C{equivalent.txt} has."""
        before, after = (" ".join(each.split()) for each in (self.before, self.after))
        return f"{self.module}:{self.function}: {before} -> {after}"

    def apply(self, source: bytes) -> bytes:
        """Return the source of the module with the change."""
        end = self.start + len(self.before.encode())
        return source[: self.start] + self.after.encode() + source[end:]


def fileOf(module: str) -> str:
    """Return the path of a module in a checkout."""
    return f"inetdtw/{module.replace('.', '/')}.py"


def mutantsOf(module: str, source: bytes) -> Iterator[Mutant]:
    """
    Yield each change of a module.

    Only code in functions is changed. Docstrings, annotations, and code for type
    checkers stay as they are.

    @param module: the module's dotted name below C{inetdtw}.
    @param source: its source, in UTF-8.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function, node, replacement in _changes(ast.parse(source), ()):
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        before = source[start:end].decode()
        # What stands inside of a larger expression must not bind to its neighbours.
        after = ast.unparse(replacement)
        if isinstance(node, ast.expr):
            after = f"({after})"
        yield Mutant(module, ".".join(function), node.lineno, before, after, start)


_Change = tuple[tuple[str, ...], "ast.expr | ast.stmt", ast.AST]


def _changes(node: ast.AST, function: tuple[str, ...]) -> Iterator[_Change]:
    """Yield each node to replace, with its function and what replaces it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            for inner in child.body:
                yield from _within(inner, (*function, child.name))


def _within(node: ast.AST, function: tuple[str, ...]) -> Iterator[_Change]:
    """Yield the changes of one statement of a class or function, or of a part of it."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        yield from _changes(ast.Module([node], []), function)
        return
    if isinstance(node, (ast.arguments, ast.JoinedStr)):
        # Older versions of Python do not know where the parts of an f-string are.
        return
    if isinstance(node, (ast.If, ast.While, ast.IfExp)) and _isPlain(node.test):
        yield function, node.test, ast.UnaryOp(ast.Not(), node.test)
    for change in _CHANGES:
        replacement = change(node)
        if replacement is not None and isinstance(node, (ast.expr, ast.stmt)):
            yield function, node, replacement
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.AnnAssign) and child is node.annotation):
            yield from _within(child, function)


def _isPlain(condition: ast.expr) -> bool:
    """Return whether no other change negates the condition."""
    return not isinstance(condition, (ast.Compare, ast.UnaryOp, ast.Constant))


def _compared(node: ast.AST) -> ast.AST | None:
    """Compare otherwise."""
    if not isinstance(node, ast.Compare):
        return None
    changed = copy.deepcopy(node)
    changed.ops[0] = _COMPARISONS[type(node.ops[0])]()
    return changed


def _joined(node: ast.AST) -> ast.AST | None:
    """Want one of two conditions for both, or both for one."""
    if not isinstance(node, ast.BoolOp):
        return None
    changed = copy.deepcopy(node)
    changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return changed


def _unnegated(node: ast.AST) -> ast.AST | None:
    """Leave out a C{not}."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return copy.deepcopy(node.operand)
    return None


def _calculated(node: ast.AST) -> ast.AST | None:
    """Calculate otherwise."""
    if not isinstance(node, (ast.BinOp, ast.AugAssign)) or _isText(node):
        return None
    other = _OPERATORS.get(type(node.op))
    if other is None:
        return None
    changed = copy.deepcopy(node)
    changed.op = other()
    return changed


def _isText(node: ast.BinOp | ast.AugAssign) -> bool:
    """Return whether strings are added: every other operator is an error there."""
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes)))
        for side in sides
    )


def _constant(node: ast.AST) -> ast.AST | None:
    """Take another number or truth value."""
    if not isinstance(node, ast.Constant):
        return None
    if isinstance(node.value, bool):
        return ast.Constant(not node.value)
    if isinstance(node.value, (int, float)):
        return ast.Constant(node.value + 1)
    return None


def _omitted(node: ast.AST) -> ast.AST | None:
    """Leave out a statement."""
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    stored = isinstance(node, ast.Assign) and isinstance(
        node.targets[0], (ast.Attribute, ast.Subscript)
    )
    left = isinstance(node, (ast.Raise, ast.Delete, ast.Break, ast.Continue))
    return ast.Pass() if called or stored or left else None


def _returned(node: ast.AST) -> ast.AST | None:
    """Return nothing."""
    if isinstance(node, ast.Return) and node.value is not None:
        nothing = isinstance(node.value, ast.Constant) and node.value.value is None
        return None if nothing else ast.Return(ast.Constant(None))
    return None


_CHANGES: tuple[Callable[[ast.AST], ast.AST | None], ...] = (
    _compared,
    _joined,
    _unnegated,
    _calculated,
    _constant,
    _omitted,
    _returned,
)
