"""`pandalm-eval report`: one page of runs, to be looked at in a browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = (
        "make one HTML page of runs: tables, pictures, and a browser of judgments; it needs no "
        "network, no server and no other file"
    )
    parser = subparsers.add_parser("report", help=text, description=text)
    parser.add_argument("results", nargs="+", metavar="RESULT", type=Path)
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="DIR", help="gets an index.html"
    )
    parser.add_argument(
        "--no_text",
        action="store_true",
        help="leave out prompts, responses and what the judge wrote, though samples have them",
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Write the page; the answer is the file's name."""
    from pandalm_eval.report.page import write_report

    path = write_report(arguments.results, arguments.output, with_text=not arguments.no_text)
    print(f"{path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)
    print(path)
    return 0
