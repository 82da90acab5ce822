"""`pandalm-eval table`: tables from what runs left, without a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import UsageError

if TYPE_CHECKING:
    from pandalm_eval.tables.latex import Float
    from pandalm_eval.tables.render import Table

_KINDS = {
    "judges": "judges against gold, with rules, annotators and published figures (the default)",
    "models": "candidates against each other: ranking, matrix, contests",
    "domains": "judges in law and biomedicine, with rules, beside the human set",
    "classic": "two tunings on the tasks of pandalm-classic, with paired tests",
}
_PARTS = {
    "judges": ("rows", "agreements"),
    "models": ("rows", "ranking"),
    "domains": ("rows", "drops"),
    "classic": ("rows",),
}
"""What each kind has, as JSON names it; one CSV holds one part."""
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
    told = "; ".join(f"of {kind} {', '.join(parts)}" for kind, parts in _PARTS.items())
    parser.add_argument(
        "--part",
        choices=tuple(dict.fromkeys(part for parts in _PARTS.values() for part in parts)),
        help=f"what --format csv prints (rows by default): {told}; the other formats print all",
    )
    parser.add_argument(
        "--by_gold",
        action="store_true",
        help="--kind models as the gold labels see them, in place of the judge's verdicts",
    )
    parser.add_argument(
        "--label",
        metavar="LABEL",
        help="--format latex as floats with this label and a caption (protocol, gold, averaging, "
        "n, invalid, interval)",
    )
    parser.add_argument(
        "--caption", metavar="TEXT", help="with --label: this caption in place of the made one"
    )
    parser.set_defaults(handler=main)


def main(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from pandalm_eval.tables.render import render

    part, float = _part(arguments), _float(arguments)
    print(render(_table(arguments), arguments.format, part, float))
    return 0


def _float(arguments: argparse.Namespace) -> Float | None:
    """How LaTeX is put into a paper, refused before any figure is computed."""
    from pandalm_eval.tables.latex import Float

    if arguments.label is None:
        if arguments.caption is not None:
            raise UsageError("--caption needs --label NAME: a caption without one is no float.")
        return None
    if arguments.format != "latex":
        raise UsageError(f"--label is for --format latex; {arguments.format} has no floats.")
    return Float(arguments.label, arguments.caption)


def _part(arguments: argparse.Namespace) -> str:
    """The part to print, refused before any figure is computed."""
    part: str | None = arguments.part
    if part is not None and arguments.format != "csv":
        raise UsageError(
            f"--part {part} is for --format csv; {arguments.format} prints every part. Leave it "
            "out."
        )
    if part is not None and part not in _PARTS[arguments.kind]:
        raise UsageError(
            f"--kind {arguments.kind} has no part {part!r}; it has "
            f"{', '.join(_PARTS[arguments.kind])}."
        )
    return part or "rows"


def _table(arguments: argparse.Namespace) -> Table:
    if arguments.kind == "classic":
        from pandalm_eval.classic_runs import read_tunings
        from pandalm_eval.tables.classic import ClassicTable

        return ClassicTable.of(read_tunings(arguments.results))
    from pandalm_eval.results import read_runs

    runs = read_runs(arguments.results)
    if arguments.kind == "models":
        from pandalm_eval.tables.models import ModelsTable

        return ModelsTable.of(runs, gold=arguments.by_gold)
    if arguments.kind == "domains":
        from pandalm_eval.tables.domains import DomainsTable

        return DomainsTable.of(runs)
    from pandalm_eval.tables.judges import JudgesTable

    return JudgesTable.of(runs)
