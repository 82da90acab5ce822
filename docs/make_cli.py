"""Writes docs/cli.md, the command-line reference, from the parser of `pandalm-eval`.

python docs/make_cli.py            write it
python docs/make_cli.py --check    exit code 1 if the file is stale
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pandalm_eval.cli import build_parser
from train_judge import export, filter, label, pairs, train

PAGE = Path(__file__).with_name("cli.md")
_INTRODUCTION = """# Command line

Made by `python docs/make_cli.py` from the program itself; do not edit. `python -m pandalm_eval` is
the same command. Answers go to standard output, everything else to standard error.

The flags of `run` are those of `lm_eval run`: the harness parses them. `pandalm-eval run --help`
prints them as they are in the installed version.
"""


class _Formatter(argparse.HelpFormatter):
    """Writes `-o, --output DIR` under every version of Python, as 3.13 and later do."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        default = self._get_default_metavar_for_optional(action)
        return f"{', '.join(action.option_strings)} {self._format_args(action, default)}"


def page() -> str:
    """The whole page, 100 columns wide whatever the terminal."""
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}  # read by argparse when it formats
    sections = [
        f"## `{parser.prog}`\n\n```text\n{parser.format_help().rstrip()}\n```\n"
        for parser in (*_with_commands(build_parser()), *map(_formatted, _STEPS))
    ]
    return "\n".join([_INTRODUCTION, *sections])


_STEPS = (pairs, label, filter, export, train)


def _formatted(step: ModuleType) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = step.build_parser()
    if parser.formatter_class is argparse.HelpFormatter:
        parser.formatter_class = _Formatter
    return parser


def _with_commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    parser.formatter_class = _Formatter
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _with_commands(command)


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write docs/cli.md from the parser.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it is stale")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} is stale: run `python docs/make_cli.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
