"""`pandalm-eval`: one module a verb; each has `add_parser` and imports its work only when called.

Answers go to standard output, everything else to standard error. Exit code 0: done; 1: the input is
at fault; 2: the usage is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pandalm_eval import __version__
from pandalm_eval.cli import (
    cite,
    data,
    leaderboard,
    link,
    playground,
    plot,
    redact,
    report,
    run,
    search,
    table,
    tasks,
)
from pandalm_eval.exit_codes import ended

_VERBS = (
    *(run, link, tasks, data, table, plot, report, redact, playground),
    *(leaderboard, search, cite),
)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every verb; `docs/cli.md` is made from it."""
    parser = argparse.ArgumentParser(
        prog="pandalm-eval",
        description="PandaLM's pairwise judge in lm-evaluation-harness: runs, data, tables, plots.",
        epilog="Exit code 0: done; 1: the input is at fault; 2: the usage is.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for verb in _VERBS:
        verb.add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if argv[:1] == ["run"]:  # its flags are the harness's, which has a parser of its own
        handler, parsed = run.main, argparse.Namespace(harness_arguments=argv[1:])
    else:
        parsed = build_parser().parse_args(argv)
        handler = parsed.handler
    return ended("pandalm-eval", lambda: int(handler(parsed)))
