"""The JSON documents of an ExportedProgram, checked for everything that loading would evaluate or import.

Pickles are not the only way in. While torch.export.load rebuilds a graph (torch/_export/serde/serialize.py,
torch 2.13) it evaluates `expr_str` with sympy.sympify, which is `eval`; resolves a node's `target` by
attribute from the torch module (`torch.os.system` is one); runs `guards_code`; imports modules named in
tree specifications; and writes names into Python source. So every string is refused unless its place
allows it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

_PLAIN = re.compile(r"[\w.\-+]*", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"-?[\d.]+(e[+-]?\d+)?")
_OPERATOR = re.compile(r"torch\.ops\.(aten|prims|higher_order|quantized|torchvision)\.\w+(\.\w+)?", re.ASCII)
_SYMBOLIC = re.compile(r"math\.[a-z0-9]+|torch\._?sym_[a-z0-9]+", re.ASCII)
_PYTHON_OPERATORS = frozenset(
    f"_operator.{name}"
    for name in (
        "add", "sub", "mul", "floordiv", "truediv", "mod", "pow", "neg", "pos", "abs", "getitem", "eq", "ne", "lt",
        "le", "gt", "ge", "and_", "or_", "xor", "not_", "inv", "invert", "lshift", "rshift", "index",
    )
)  # fmt: skip
# Operators of aten that touch files.
_FILE_OPERATORS = frozenset({"from_file", "save", "load"})
_TREE_TYPES = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict"})
_FREE_TEXT = frozenset({"as_string", "as_strings"})  # written into source with repr()
_MAX_EXPRESSION = 4096
_FUNCTIONS = frozenset(
    {
        "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max", "Min", "Abs", "Eq", "Ne", "Lt", "Le",
        "Gt", "Ge", "And", "Or", "Not", "Piecewise", "ExprCondPair", "Equality", "Unequality", "StrictLessThan",
        "StrictGreaterThan", "LessThan", "GreaterThan", "floor", "ceiling", "FloorDiv", "ModularIndexing", "Where",
        "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "LShift", "RShift", "PowByNatural",
        "FloatPow", "FloatTrueDiv", "IntTrueDiv", "IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt",
        "RoundToInt", "RoundDecimal", "ToFloat", "Identity",
    }
)  # fmt: skip
_CONSTANTS = frozenset({"oo", "zoo", "int_oo", "true", "false"})
_SYMBOL = re.compile(r"(s|u|zf|zuf)\d+")
_NODES = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.keyword, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.Tuple, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip

Json = Any


def clean_program(document: Json) -> Json:
    """The program without what is for debugging only: guards, stack traces, notes.

    Module paths stay, as they name the layers.
    """
    if isinstance(document, list):
        return [clean_program(item) for item in document]
    if not isinstance(document, dict):
        return document
    cleaned = {key: clean_program(value) for key, value in document.items()}
    if "guards_code" in cleaned:
        cleaned["guards_code"] = []
    if isinstance(metadata := cleaned.get("metadata"), dict):
        kept = metadata.get("nn_module_stack")
        cleaned["metadata"] = {"nn_module_stack": kept} if isinstance(kept, str) else {}
    return cleaned


def find_suspicious_strings(document: Json) -> list[str]:
    """What loading a cleaned document could evaluate, import or run; empty if it is harmless."""
    return list(dict.fromkeys(_walk(document, "", "")))


def _walk(value: Json, key: str, parent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            if not _PLAIN.fullmatch(name):
                yield f"the name {_shorten(name)}"
            yield from _walk(item, name, key)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, key, parent)
    elif isinstance(value, str) and (reason := _refuse(value, key, parent)):
        yield reason


def _refuse(text: str, key: str, parent: str) -> str | None:
    if key in _FREE_TEXT or (parent == "metadata" and key == "nn_module_stack"):
        return None
    if key == "expr_str":
        return None if is_arithmetic(text) else f"the expression {_shorten(text)}"
    if key == "target":
        return None if _is_operator(text) else f"the operator {_shorten(text)}"
    if key in ("in_spec", "out_spec"):
        return None if _is_plain_tree(text) else f"the tree {_shorten(text)}"
    return None if _PLAIN.fullmatch(text) else f"the text {_shorten(text)}"


def _is_operator(text: str) -> bool:
    if _OPERATOR.fullmatch(text):
        return text.split(".")[3] not in _FILE_OPERATORS
    return text in _PYTHON_OPERATORS or bool(_SYMBOLIC.fullmatch(text))


def is_arithmetic(text: str) -> bool:
    """Whether a symbolic expression is made of numbers, symbols and known functions alone."""
    if len(text) > _MAX_EXPRESSION:
        return False
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return all(_is_arithmetic_node(node) for node in ast.walk(tree))


def _is_arithmetic_node(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS
    if isinstance(node, ast.Name):
        return node.id in _FUNCTIONS or node.id in _CONSTANTS or bool(_SYMBOL.fullmatch(node.id))
    if isinstance(node, ast.Constant):
        is_text = isinstance(node.value, str) and (_IDENTIFIER.fullmatch(node.value) or _NUMBER.fullmatch(node.value))
        return isinstance(node.value, (int, float)) or bool(is_text)
    return isinstance(node, _NODES)


def _is_plain_tree(text: str) -> bool:
    if not text:
        return True
    try:
        _, tree = json.loads(text)
        return _is_plain_node(tree)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _is_plain_node(node: Json) -> bool:
    if node["type"] not in _TREE_TYPES:
        return False
    context = json.loads(node["context"]) if node["context"] is not None else None
    is_plain = context is None or (
        isinstance(context, list) and all(isinstance(key, (str, int)) and _PLAIN.fullmatch(str(key)) for key in context)
    )
    return is_plain and all(_is_plain_node(child) for child in node["children_spec"])


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
