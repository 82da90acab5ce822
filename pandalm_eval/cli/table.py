"""`pandalm-eval table`: tables from what runs left, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_KINDS = ("judges",)
_FORMATS = ("markdown", "csv", "latex", "json")


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "print a table of runs: folders or files that the harness or `redact` wrote"
    parser = subparsers.add_parser("table", help=text, description=text)
    parser.add_argument("results", nargs="+", metavar="RESULT", type=Path)
    parser.add_argument("--kind", choices=_KINDS, default="judges", help="default: %(default)s")
    parser.add_argument(
        "--format", choices=_FORMATS, default="markdown", help="default: %(default)s"
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from pandalm_eval.results import read_runs
    from pandalm_eval.tables.judges import JudgesTable
    from pandalm_eval.tables.render import render

    print(render(JudgesTable.of(read_runs(arguments.results)), arguments.format))
    return 0
