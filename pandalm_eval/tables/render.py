"""How a table is printed: Markdown, CSV, LaTeX (booktabs) or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

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


def render(table: Table, format: str, part: str = "rows") -> str:
    """The table as text. JSON and CSV have full digits; Markdown and LaTeX are rounded.

    Args:
        part: what CSV prints, a field of `as_json`; the other formats print all.
    """
    if format == "json":
        return json.dumps(table.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    import pandas as pd

    if format == "csv":
        text: str = pd.DataFrame(table.as_json()[part]).to_csv(index=False)
        return text.rstrip("\n")
    from tabulate import tabulate

    style = "github" if format == "markdown" else "latex_booktabs"
    parts = [
        tabulate(section, "keys", style, disable_numparse=True)
        for section in table.sections()
        if section
    ]
    mark = "" if format == "markdown" else "% "
    return "\n\n".join([*parts, "\n".join(f"{mark}{note}" for note in table.notes)])
