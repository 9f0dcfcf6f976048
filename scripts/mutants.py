"""The mutants of a module: every single edit of its syntax tree that a test should notice.

Comparisons, `and` and `or`, conditions of branches, arithmetic, constants, members of enumerations, calls that
have an opposite or can be left out, what is returned, whole statements, and the counts in regular expressions.

Text is changed where it is data: names of operators and keys, literals that are compared. It is left alone
where it is for people (documentation, f-strings, whatever stands in a `raise` or in a message), because a test
that holds every word of a message holds nothing else. Types, decorators (sizes of memos) and `__all__` are
left alone too: they decide nothing.
"""

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, Final, NamedTuple

SHOWN: Final = 72
"""How much of a piece of code is printed, in characters."""


class Mutant(NamedTuple):
    """A module with one edit; `text` says which, for people."""

    line: int
    text: str
    code: CodeType


class Edit(NamedTuple):
    """Put `new` where `old` stands: in `field` of `parent`, at `place` if that is a list."""

    parent: ast.AST
    field: str
    place: int | None
    old: ast.AST
    new: ast.AST


COMPARISONS: Final[Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: Final[Mapping[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_PAIRS: Final = (
    ("any", "all"),
    ("min", "max"),
    ("startswith", "endswith"),
    ("find", "rfind"),
    ("partition", "rpartition"),
    ("split", "rsplit"),
    ("isdisjoint", "issuperset"),
)
OPPOSITES: Final = {**dict(_PAIRS), **{second: first for first, second in _PAIRS}}
LEFT_OUT_CALLS: Final = frozenset({"lower", "casefold", "strip", "sorted", "reversed"})
"""Calls without which the text or the list stays as it was."""
QUANTIFIERS: Final = re.compile(r"\{(\d+)(,?)(\d*)\}|(?<!\(|\\)[+*?]")
"""How often something stands in a regular expression."""


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Yield the mutants of the module at `path`, in the order of its lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    members = _members(tree)
    edits = list(_edits(tree, members))
    for edit in sorted(edits, key=lambda one: (_line(one), one.old.col_offset)):  # type: ignore[attr-defined] # statements and expressions have one
        _put(edit, edit.new)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `is` with a literal, and the like
            code = compile(ast.fix_missing_locations(tree), str(path), "exec")
        yield Mutant(_line(edit), _described(edit), code)
        _put(edit, edit.old)


def _line(edit: Edit) -> int:
    line: int = edit.old.lineno  # type: ignore[attr-defined] # statements and expressions have one
    return line


def _described(edit: Edit) -> str:
    """Show both sides, long ones from shortly before where they part."""
    old, new = (" ".join(ast.unparse(node).split()) for node in (edit.old, edit.new))
    same = next((at for at, (one, two) in enumerate(zip(old, new, strict=False)) if one != two), 0)
    start = max(same - SHOWN // 2, 0) if max(len(old), len(new)) > SHOWN else 0
    shown = [
        f"{'…' if start else ''}{text[start : start + SHOWN]}{'…' if len(text) > start + SHOWN else ''}"
        for text in (old, new)
    ]
    return "  →  ".join(shown)


def _put(edit: Edit, node: ast.AST) -> None:
    if edit.place is None:
        setattr(edit.parent, edit.field, node)
    else:
        getattr(edit.parent, edit.field)[edit.place] = node


# --- where ---------------------------------------------------------------------------------------------------


def _members(tree: ast.AST) -> dict[str, list[str]]:
    """Return the members of enumerations that the module names: class → names."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=member) if member.isupper():
                found.setdefault(name, set()).add(member)
    return {name: sorted(attributes) for name, attributes in found.items()}


def _edits(tree: ast.AST, members: Mapping[str, Sequence[str]]) -> Iterator[Edit]:
    for parent, field, place, node in _places(tree):
        for new in _changes(node, members):
            yield Edit(parent, field, place, node, new)


def _places(parent: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Yield every node that may change, with where it stands."""
    for field, value in ast.iter_fields(parent):
        if field in {"annotation", "returns", "decorator_list", "bases", "type_comment"}:
            continue
        for place, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(node, ast.AST) and not _decides_nothing(parent, node):
                yield parent, field, place, node
                yield from _places(node)


def _decides_nothing(parent: ast.AST, node: ast.AST) -> bool:
    match parent, node:
        case (ast.Raise(), _) | (_, ast.Import() | ast.ImportFrom() | ast.JoinedStr()):
            return True
        case _, ast.Expr(value=ast.Constant()):  # documentation, `...`
            return True
        case ast.Call(func=ast.Name(id="zip")), ast.keyword():  # `strict`, an assertion
            return True
        case _, ast.Assign(targets=[ast.Name(id=name)]):
            is_type = name[:1].isupper() and not name[1:].isupper()  # `T`, `Entry`
            return is_type or name in {"__all__", "__slots__"}
    return False


# --- what ----------------------------------------------------------------------------------------------------


def _changes(node: ast.AST, members: Mapping[str, Sequence[str]]) -> Iterator[ast.AST]:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=member) if member in members.get(name, ()):
            known = members[name]
            if len(known) > 1:
                yield _copy(node, attr=known[(known.index(member) + 1) % len(known)])
    for kind, change in _CHANGES.items():
        if isinstance(node, kind):
            yield from change(node)
    if isinstance(node, ast.stmt):
        yield from _statement(node)


def _copy(node: ast.AST, **fields: Any) -> Any:
    """Return the node with other fields, at the same place."""
    old = dict(ast.iter_fields(node))
    return ast.copy_location(type(node)(**{**old, **fields}), node)


def _comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for index, one in enumerate(node.ops):
        for other in COMPARISONS[type(one)]:
            yield _copy(node, ops=[*node.ops[:index], other(), *node.ops[index + 1 :]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _copy(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for index in range(len(node.values)):
        rest = [*node.values[:index], *node.values[index + 1 :]]
        yield _copy(node, values=rest) if len(rest) > 1 else rest[0]


def _not(node: ast.UnaryOp) -> Iterator[ast.AST]:
    if isinstance(node.op, ast.Not | ast.USub):
        yield node.operand


def _branch(node: ast.If | ast.While | ast.IfExp) -> Iterator[ast.AST]:
    # A comparison has an opposite of its own, and `not` is taken away.
    if not isinstance(node.test, ast.Compare | ast.UnaryOp):
        yield _copy(node, test=ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test))


def _comprehension(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
) -> Iterator[ast.AST]:
    for index, one in enumerate(node.generators):
        if one.ifs:
            all_of_it = ast.comprehension(one.target, one.iter, [], one.is_async)
            generators = [*node.generators[:index], all_of_it, *node.generators[index + 1 :]]
            yield _copy(node, generators=generators)


def _arithmetic(node: ast.BinOp | ast.AugAssign) -> Iterator[ast.AST]:
    if type(node.op) in ARITHMETIC:
        yield _copy(node, op=ARITHMETIC[type(node.op)]())


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield _copy(node, value=not value)
    elif isinstance(value, int | float):
        yield _copy(node, value=value + 1)
        if value > 0:
            yield _copy(node, value=value - 1)
    elif isinstance(value, str):
        yield _copy(node, value=value + "~")


def _call(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name == "compile":
        yield from _regex(node)
    if name in OPPOSITES:
        field = "attr" if isinstance(function, ast.Attribute) else "id"
        yield _copy(node, func=_copy(function, **{field: OPPOSITES[name]}))
    if name in LEFT_OUT_CALLS:
        yield function.value if isinstance(function, ast.Attribute) else node.args[0]


def _regex(node: ast.Call) -> Iterator[ast.AST]:
    pattern, *flags = node.args
    if not (isinstance(pattern, ast.Constant) and isinstance(pattern.value, str)):
        return
    text = pattern.value
    for found in QUANTIFIERS.finditer(text):
        for other in _counts(found):
            changed = text[: found.start()] + other + text[found.end() :]
            yield _copy(node, args=[_copy(pattern, value=changed), *flags])


def _counts(found: re.Match[str]) -> Iterator[str]:
    least, comma, most = found.groups()
    if least is None:
        yield {"?": "", "+": "*", "*": "+"}[found[0]]
    elif not comma:
        yield f"{{{int(least) + 1}}}"
        yield f"{{{int(least) - 1}}}"
    else:
        yield f"{{{int(least) + 1},{most}}}"
        if most:
            yield f"{{{least},{int(most) + 1}}}"


def _statement(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield _copy(node, value=ast.Constant(None))
        case ast.Continue():
            yield ast.copy_location(ast.Break(), node)
        case ast.Assign(targets=[ast.Name()]):  # without it there would be no such name
            return
        case (
            ast.Expr()
            | ast.Raise()
            | ast.AugAssign()
            | ast.Break()
            | ast.Assign()
            | ast.If(orelse=[])
        ):
            yield ast.copy_location(ast.Pass(), node)


_CHANGES: Final[Mapping[Any, Callable[[Any], Iterator[ast.AST]]]] = {
    ast.Compare: _comparison,
    ast.BoolOp: _boolean,
    ast.UnaryOp: _not,
    (ast.If, ast.While, ast.IfExp): _branch,
    (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp): _comprehension,
    (ast.BinOp, ast.AugAssign): _arithmetic,
    ast.Constant: _constant,
    ast.Call: _call,
}
"""Kind of node → the changes of it."""
