"""The command line as a whole: parser, dispatch, and what every ending looks like.

Exit status: 0 done, 1 failed (one line on standard error), 2 wrong usage, 130 cancelled.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import textwrap
import traceback
from collections.abc import Sequence
from typing import Any

import engine
from engine.cli.allocate import ALLOCATE
from engine.cli.analyze import ANALYZE
from engine.cli.benchmark import BENCHMARK
from engine.cli.bundle import BUNDLE
from engine.cli.calibrate import CALIBRATE
from engine.cli.command import Answer, Command, UsageError, show_safely
from engine.cli.convert import CONVERT
from engine.cli.demo import DEMO
from engine.cli.diagnose import DIAGNOSE
from engine.cli.evaluate import EVALUATE
from engine.cli.inspect import INSPECT
from engine.cli.job import EXIT_CANCELLED, ConsoleContext, call_interruptibly
from engine.cli.presets import PRESETS
from engine.cli.probe import PROBE
from engine.cli.recover import RECOVER
from engine.cli.report import REPORT
from engine.errors import BitsmithError, JobCancelled
from engine.late_modules import load_late

COMMANDS = (
    INSPECT, CALIBRATE, ANALYZE, DIAGNOSE, ALLOCATE, CONVERT,
    RECOVER, EVALUATE, BENCHMARK, BUNDLE, REPORT, PRESETS, PROBE, DEMO,
)  # fmt: skip
EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
HELP_WIDTH = 100
LONGEST_MESSAGE = 2000
"""Characters; a name in a file may be longer than that."""
DESCRIPTION = """Post-training quantization: see which layers are sensitive, choose bits, convert, compare.

Without a command, bitsmith [MODEL] opens the window. The commands do the same without one:
"""
EPILOG = """The usual order: inspect, calibrate, analyze, allocate, convert, evaluate, benchmark.
Each has its own help with an example: bitsmith convert --help"""


def run_program(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    load_late()
    _accept_any_text()
    parser = build_parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as ending:  # argparse ends the process after --help, --version and wrong usage
        return ending.code if isinstance(ending.code, int) else EXIT_USAGE
    if "command" not in options:
        parser.print_help()
        return EXIT_USAGE
    return run_command(options.command, options)


def run_command(command: Command, options: argparse.Namespace) -> int:
    """Run one command and show its answer, or why there is none."""
    context = ConsoleContext()
    try:
        answer = call_interruptibly(lambda: command.run(options, context), context)
        return _tell(answer, as_json=options.json)
    except UsageError as error:
        return _end(EXIT_USAGE, f"{command.name}: {error}")
    except (BitsmithError, MemoryError) as error:
        return _end(EXIT_FAILED, str(error) or "Memory ran out. Use fewer samples or a smaller batch.")
    except JobCancelled:
        return _end(EXIT_CANCELLED, "cancelled; nothing was written.")
    except BrokenPipeError:  # what is told on the way
        return _silence()
    except Exception as error:  # noqa: BLE001  the edge of the program: whatever is left is our bug
        if options.debug:
            traceback.print_exc()
        return _end(EXIT_FAILED, _describe_bug(error))


def _tell(answer: Answer, *, as_json: bool) -> int:
    try:
        print_answer(answer, as_json=as_json)
    except BrokenPipeError:
        return _silence()
    except OSError as error:
        _silence()
        return _end(EXIT_FAILED, f"Cannot write the answer to standard output: {error.strerror}. Check where it goes.")
    return EXIT_DONE


def _silence() -> int:
    """The reader of the output went away, as `head` does: leave nothing for Python to flush at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED


def print_answer(answer: Answer, *, as_json: bool) -> None:
    """One JSON document and nothing else, or the text, if it was not all told on the way."""
    if as_json or answer.text:
        text = "\n".join(map(show_safely, answer.text.split("\n")))
        print(json.dumps(_finite(answer.document), indent=2) if as_json else text, flush=True)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bitsmith",
        usage="bitsmith [MODEL] [--data D]\n       bitsmith COMMAND … [--json]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_format_help,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"bitsmith {engine.__version__}")
    commands = parser.add_subparsers(prog="bitsmith", metavar="COMMAND [--help]", title="commands")
    for command in COMMANDS:
        _add_command(commands, command)
    return parser


def _add_command(commands: Any, command: Command) -> None:
    example = "\n".join(f"  {line}" for line in command.example.splitlines())
    parser = commands.add_parser(
        command.name,
        help=command.summary,
        description=textwrap.fill(command.description, HELP_WIDTH),
        epilog=f"example:\n{example}",
        formatter_class=_format_help,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of text")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an unexpected error")
    parser.set_defaults(command=command)


def _format_help(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=HELP_WIDTH)


def _end(status: int, message: str) -> int:
    text = show_safely(" ".join(message.split()))
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE // 2]} … {text[-LONGEST_MESSAGE // 2 :]}"
    print(f"bitsmith: {text}", file=sys.stderr)
    return status


def _describe_bug(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("engine"):
        return f"The Python package {error.name} is missing. Install Bitsmith again: pip install -e ."
    return f"Bitsmith has a bug: {type(error).__name__}: {error}; run with --debug for the traceback."


def _accept_any_text() -> None:
    """Names and symbols that the terminal cannot show are replaced, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _finite(value: Any) -> Any:
    """The same document without what JSON cannot say: infinite and undefined numbers become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
