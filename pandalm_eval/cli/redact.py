"""`pandalm-eval redact`: from samples to judgments that hold no text of any data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = (
        "write judgments_*.jsonl (ids, hashes, verdicts, lengths; no text) and a results file "
        "without machine details, fit to be published"
    )
    parser = subparsers.add_parser("redact", help=text, description=text)
    parser.add_argument("results", nargs="+", metavar="RESULT", type=Path)
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR")
    parser.add_argument(
        "--format",
        choices=("jsonl", "parquet"),
        default="jsonl",
        help="parquet: all judgments as one tidy table, DIR/judgments.parquet (default: jsonl)",
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Write the files and name them."""
    if arguments.format == "parquet":
        from pandalm_eval.frame import write_parquet

        path = arguments.output / "judgments.parquet"
        write_parquet(arguments.results, path)
        print(path)
        return 0
    from pandalm_eval.redaction import redact

    for path in redact(arguments.results, arguments.output):
        print(path)
    return 0
