"""`pandalm-eval table`: tables from what runs left, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandalm_eval.tables.render import Table

_KINDS = {
    "judges": "judges against gold, with rules, annotators and published figures (the default)",
    "models": "candidates against each other: ranking, matrix, contests",
    "domains": "judges in law and biomedicine, with rules, beside the human set",
    "classic": "two tunings on the tasks of pandalm-classic, with paired tests",
}
_FORMATS = ("markdown", "csv", "latex", "json")


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "print a table of runs: folders or files that the harness or `redact` wrote"
    parser = subparsers.add_parser("table", help=text, description=text)
    parser.add_argument("results", nargs="+", metavar="RESULT", type=Path)
    told = "; ".join(f"{kind}: {what}" for kind, what in _KINDS.items())
    parser.add_argument("--kind", choices=tuple(_KINDS), default="judges", help=told)
    parser.add_argument(
        "--format", choices=_FORMATS, default="markdown", help="default: %(default)s"
    )
    parser.add_argument(
        "--by_gold",
        action="store_true",
        help="--kind models as the gold labels see them, in place of the judge's verdicts",
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from pandalm_eval.tables.render import render

    print(render(_table(arguments), arguments.format))
    return 0


def _table(arguments: argparse.Namespace) -> Table:
    from pandalm_eval.classic_runs import read_tunings
    from pandalm_eval.results import read_runs
    from pandalm_eval.tables.classic import ClassicTable
    from pandalm_eval.tables.domains import DomainsTable
    from pandalm_eval.tables.judges import JudgesTable
    from pandalm_eval.tables.models import ModelsTable

    if arguments.kind == "classic":
        return ClassicTable.of(read_tunings(arguments.results))
    runs = read_runs(arguments.results)
    if arguments.kind == "models":
        return ModelsTable.of(runs, gold=arguments.by_gold)
    return DomainsTable.of(runs) if arguments.kind == "domains" else JudgesTable.of(runs)
