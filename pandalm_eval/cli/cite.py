"""`pandalm-eval cite`: what a table rests on, as BibTeX; a judge's figures for its model card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pandalm_eval.errors import UsageError


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "print the BibTeX of what results rest on, or a judge's figures for its model card"
    parser = subparsers.add_parser("cite", help=text, description=text)
    parser.add_argument(
        *("results",),
        nargs="*",
        metavar="RESULT",
        type=Path,
        help="folders or files of runs; without one, what every table rests on",
    )
    parser.add_argument(
        "--also",
        nargs="+",
        default=[],
        metavar="KEY",
        help="further works by their key, for what no result tells: li2023alpacaeval where the "
        "prompts are AlpacaEval's, xiong2024mirage where BioASQ is MIRAGE's part, …",
    )
    parser.add_argument(
        "--model_card",
        action="store_true",
        help="print a model-index block for the judge's model card instead",
    )
    parser.add_argument("--judge", metavar="NAME", help="with --model_card, of several judges")
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Print entries or a block."""
    if not arguments.model_card:
        from pandalm_eval.citations import bibtex

        if arguments.judge is not None:
            raise UsageError("--judge is for --model_card.")
        print(bibtex(arguments.results, arguments.also))
        return 0
    from pandalm_eval.model_card import card
    from pandalm_eval.results import read_runs

    if not arguments.results or arguments.also:
        raise UsageError("--model_card takes RESULT, and no --also.")
    print(card(read_runs(arguments.results), arguments.judge))
    return 0
