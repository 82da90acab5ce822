"""How a table is printed: Markdown, CSV, LaTeX (booktabs) or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pandalm_eval.tables.captions import facts
from pandalm_eval.tables.latex import Float, tabular

FORMATS = ("markdown", "csv", "latex", "json")


class Table(Protocol):
    """What can be printed."""

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The figures, with all digits."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know, one sentence or two each."""

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""

    def sections(self) -> list[list[dict[str, str]]]:
        """Tables as people read them: {column: cell}."""

    def titles(self) -> list[str]:
        """What each of `sections` shows, for captions."""


def render(table: Table, format: str, part: str = "rows", float: Float | None = None) -> str:
    """The table as text. JSON and CSV have full digits; Markdown and LaTeX are rounded.

    Args:
        part: what CSV prints, a field of `as_json`; the other formats print all.
        float: how LaTeX puts each table into a paper; by default they are bare.
    """
    if format == "json":
        return json.dumps(table.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    if format == "csv":
        import pandas as pd

        text: str = pd.DataFrame(table.as_json()[part]).to_csv(index=False)
        return text.rstrip("\n")
    sections = [
        (title, section)
        for title, section in zip(table.titles(), table.sections(), strict=True)
        if section
    ]
    if format == "latex":
        parts = [tabular(section) for _, section in sections]
        if float is not None:
            told = facts(table.rows)
            parts = [
                float.around(part, f"{title}. {told}", number)
                for number, ((title, _), part) in enumerate(
                    zip(sections, parts, strict=True), start=1
                )
            ]
        return "\n\n".join(
            [*parts, "\n".join(f"% {' '.join(note.split())}" for note in table.notes)]
        )
    from tabulate import tabulate

    parts = [tabulate(section, "keys", "github", disable_numparse=True) for _, section in sections]
    return "\n\n".join([*parts, "\n".join(table.notes)])
