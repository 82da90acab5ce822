"""`pandalm-eval plot`: pictures of what runs left, as SVG, PDF or PNG."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import UsageError, listing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pandalm_eval.results import Run

_KINDS = {
    "order": "candidates as a partial order: an arrow where the difference is significant",
    "win_rates": "each candidate's win rate over all its judgments, with its interval",
    "confusion": "the judge's verdicts against gold",
}


def add_parser(subparsers: Any) -> None:
    """Add the verb."""
    text = "draw a run: a folder or file that the harness or `redact` wrote"
    parser = subparsers.add_parser("plot", help=text, description=text)
    parser.add_argument("result", metavar="RESULT", type=Path)
    told = "; ".join(f"{kind}: {what}" for kind, what in _KINDS.items())
    parser.add_argument("--kind", choices=tuple(_KINDS), required=True, help=told)
    parser.add_argument("-o", "--output", type=Path, required=True, help="FILE.svg, .pdf or .png")
    parser.add_argument(
        "--by_gold",
        action="store_true",
        help="order and win_rates as the gold labels see them, in place of the judge's verdicts",
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Draw; the answer is the file's name."""
    from pandalm_eval.plots.write import SUFFIXES, write
    from pandalm_eval.results import read_runs

    if arguments.output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{arguments.output}: name a file that ends in {', '.join(SUFFIXES)}.")
    runs = read_runs([arguments.result])
    if len(runs) > 1:
        told = listing(f"{run.name.judge} on {run.name.task} ({run.path.name})" for run in runs)
        raise UsageError(
            f"{arguments.result} holds {len(runs)} runs, and a picture shows one: {told}. Name its "
            "samples or judgments file."
        )
    write(_draw(runs, arguments.kind, gold=arguments.by_gold), arguments.output)
    print(arguments.output)
    return 0


def _draw(runs: Sequence[Run], kind: str, *, gold: bool) -> Figure:
    if kind == "confusion":
        from pandalm_eval.plots.confusion import confusion
        from pandalm_eval.tables.judges import confusion_counts

        name = runs[0].name
        return confusion(confusion_counts(runs[0]), f"{name.judge}, {name.protocol} protocol")
    from pandalm_eval.plots.partial_order import partial_order
    from pandalm_eval.plots.win_rates import Bar, win_rate_bars
    from pandalm_eval.tables.models import ModelsTable
    from pandalm_eval.tables.models_text import ranks

    table = ModelsTable.of(runs, gold=gold)
    if kind == "order":
        rates = {row["candidate"]: row["win_rate"] for row in table.ranking}
        return partial_order(list(rates), table.better, rates)
    return win_rate_bars(
        [
            Bar(
                name=row["candidate"],
                value=row["win_rate"],
                low=row["win_rate_ci_low"],
                high=row["win_rate_ci_high"],
                n=row["n"],
                group=ranks(row),
            )
            for row in table.ranking
        ]
    )
