"""Bring the translations up to date with the sources: `python -m tools.translations`.

`lupdate` reads Python, but not contexts that stand in a constant, nor `tr = self.tr`. So the messages are found in
the syntax tree, with the context under which the program looks them up; `lupdate` merges them into the `.ts` files, and
`lrelease` compiles these and fails while a message waits for its translation.

`bitsmith_en.ts` holds the plural forms of English only: everything else is shown as it stands in the source.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gui.engine_texts import CONTEXT, JOINT, PROGRESS, REASONS, SENTENCE, WARNINGS

ROOT = Path(__file__).parents[1]
TRANSLATIONS = ROOT / "resources" / "translations"
LANGUAGES = ("zh_CN", "en")
PLURALS_ONLY = ("en",)


class Message(NamedTuple):
    """One text as the program asks for it; equal ones at several places are one message."""

    context: str
    source: str
    comment: str
    is_plural: bool


class Found(NamedTuple):
    """What the sources hold.

    Attributes:
        problems: places where a text is not literal, so that it cannot be found.
    """

    messages: frozenset[Message]
    problems: tuple[str, ...]


def find_messages(folder: Path = ROOT / "gui") -> Found:
    """All texts of the window, those included that the engine and the bundled presets have."""
    finders = [_Finder(path) for path in sorted(folder.rglob("*.py"))]
    messages = [message for finder in finders for message in finder.messages]
    of_engine = (*REASONS, JOINT, SENTENCE, *WARNINGS, *PROGRESS, *_preset_texts())
    messages += [Message(CONTEXT, text, "", is_plural=False) for text in of_engine]
    return Found(frozenset(messages), tuple(problem for finder in finders for problem in finder.problems))


def _preset_texts() -> Iterator[str]:
    """Titles and descriptions."""
    for path in (*(ROOT / "resources").glob("presets/*.json"), *(ROOT / "resources").glob("preprocess/*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        yield from (content[key] for key in ("title", "description") if content.get(key))


class _Finder(ast.NodeVisitor):
    """Walks one module."""

    def __init__(self, path: Path) -> None:
        self.messages: list[Message] = []
        self.problems: list[str] = []
        self._path = path
        self._class = ""
        self._aliases: dict[str, str] = {}
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self._constants = dict(_constants(tree))
        self.visit(tree)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        before, self._class = self._class, node.name
        self.generic_visit(node)
        self._class = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before, self._aliases = self._aliases, dict(self._aliases)
        self.generic_visit(node)
        self._aliases = before

    def visit_Assign(self, node: ast.Assign) -> None:
        """Note `tr = self.tr` and `tr, model = self.tr, Needs.MODEL`."""
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=True))
            for name, value in pairs:
                kind = _kind(value)
                if isinstance(name, ast.Name) and kind:
                    self._aliases[name.id] = kind
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        kind = _kind(node.func)
        if isinstance(node.func, ast.Name):
            kind = self._aliases.get(node.func.id, "")
        if kind:
            self._take(node, kind)
        elif "tr" in (getattr(node.func, "attr", ""), getattr(node.func, "id", "")):
            self._complain(node, "the context is not known: use self.tr or QCoreApplication.translate")
        self.generic_visit(node)

    def _take(self, node: ast.Call, kind: str) -> None:
        arguments = {**dict(enumerate(node.args)), **{keyword.arg or "": keyword.value for keyword in node.keywords}}
        first = 0 if kind == "tr" else 1
        context = self._class if kind == "tr" else self._text(arguments.get(0))
        source = self._text(arguments.get(first, arguments.get("sourceText")))
        comment = self._text(arguments.get(first + 1, arguments.get("disambiguation", ast.Constant(""))))
        if context == CONTEXT:
            return
        if not context or source is None or comment is None:
            self._complain(node, "the text is not a literal string")
            return
        self.messages.append(Message(context, source, comment, first + 2 in arguments or "n" in arguments))

    def _text(self, node: ast.expr | None) -> str | None:
        if isinstance(node, ast.Name):
            return self._constants.get(node.id)
        if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str)):
            return node.value or ""
        return None

    def _complain(self, node: ast.Call, problem: str) -> None:
        self.problems.append(f"{self._path.relative_to(ROOT)}:{node.lineno}: {problem}: {ast.unparse(node)[:80]}")


def _kind(node: ast.expr) -> str:
    """`tr` for self.tr, `translate` for QCoreApplication.translate, else ""."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        pair = (node.value.id, node.attr)
        return {("self", "tr"): "tr", ("QCoreApplication", "translate"): "translate"}.get(pair, "")
    return ""


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names that stand for a text in a module, imported ones included."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ("gui", "engine"):
            path = ROOT / f"{node.module.replace('.', '/')}.py"
            if path.is_file() and any(alias.name.isupper() for alias in node.names):
                known = dict(_constants(ast.parse(path.read_text(encoding="utf-8"))))
                yield from (
                    (alias.asname or alias.name, known[alias.name]) for alias in node.names if alias.name in known
                )
        elif (
            isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ):
            yield from ((target.id, node.value.value) for target in node.targets if isinstance(target, ast.Name))


def update(target: Path, language: str, messages: frozenset[Message]) -> None:
    """Merge the messages into the `.ts` file `target`; what the sources no longer say is dropped."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "messages.py"
        listing.write_text("".join(map(_as_method, sorted(messages))), encoding="utf-8")
        options = ["-no-obsolete", "-locations", "none", "-sort-messages", "-silent", "-warnings-are-errors"]
        options += ["-disable-heuristic", "similartext", "-source-language", "en", "-target-language", language]
        options += ["-pluralonly"] if language in PLURALS_ONLY else []
        _run_tool("lupdate", *options, str(listing), "-ts", str(target))


def _as_method(message: Message) -> str:
    """A class of Python in which `lupdate` sees the message and its context."""
    source, comment = (json.dumps(text, ensure_ascii=False) for text in (message.source, message.comment))
    count = ", n" if message.is_plural else ""
    return f"class {message.context}:\n    def texts(self):\n        self.tr({source}, {comment}{count})\n"


def _run_tool(name: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name(f"pyside6-{name}"), *arguments], check=True)  # noqa: S603 (a tool of the environment)


def main() -> int:
    """Returns the exit status."""
    found = find_messages()
    if found.problems:
        sys.stderr.write("\n".join(found.problems) + "\n")
        return 1
    try:
        for language in LANGUAGES:
            target = TRANSLATIONS / f"bitsmith_{language}.ts"
            update(target, language, found.messages)
            _run_tool("lrelease", "-silent", "-fail-on-unfinished", str(target))
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
