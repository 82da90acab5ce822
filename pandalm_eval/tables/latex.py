"""Tables in LaTeX: booktabs, every character of a name escaped, floats with caption and label.

Needs `\\usepackage{booktabs}`; floats also `\\usepackage{graphicx}`, which narrows a table that is
wider than the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pandalm_eval.errors import UsageError

_LABEL = re.compile(r"[A-Za-z0-9:._/-]+")
_ESCAPED = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "`": "\\textasciigrave{}",
    "'": "\\textquotesingle{}",
    '"': "\\char34{}",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "½": "\\textonehalf{}",
    "¦": "\\textbrokenbar{}",
    "…": "\\dots{}",
}


def escape(text: str) -> str:
    """A text whose characters all stand for themselves.

    >>> print(escape("a_b%&$#{}"), escape("~^\\\\"), escape("--x"), escape("[1]"))
    a\\_b\\%\\&\\$\\#\\{\\} \\textasciitilde{}\\textasciicircum{}\\textbackslash{} -{}-x {[}1]
    """
    text = "".join(c for c in " ".join(text.split()) if c.isprintable())
    told = re.sub(r"-(?=-)", "-\0", text)  # two hyphens would be drawn as one dash
    escaped = "".join(_ESCAPED.get(character, character) for character in told)
    # Behind the end of a row, these would be an argument of it.
    return re.sub(r"^([\[*])", r"{\1}", escaped.replace("\0", "{}"))


def tabular(section: Sequence[Mapping[str, str]]) -> str:
    """One table: {column: cell} a row, all rows of the same columns."""
    columns = list(section[0])
    rows = [[escape(row[column]) for column in columns] for row in section]
    return "\n".join(
        [
            f"\\begin{{tabular}}{{{'l' * len(columns)}}}",
            "\\toprule",
            _row([escape(column) for column in columns]),
            "\\midrule",
            *map(_row, rows),
            "\\bottomrule",
            "\\end{tabular}",
        ]
    )


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


@dataclass(frozen=True, slots=True)
class Float:
    """How a table is put into a paper.

    Attributes:
        label: for `\\ref`; a second table of the same output gets `-2` behind it.
        caption: None for one that says what a reader must know of the figures.

    Raises:
        UsageError: a label that LaTeX cannot take.
    """

    label: str
    caption: str | None = None

    def __post_init__(self) -> None:
        if not _LABEL.fullmatch(self.label):
            raise UsageError(
                f"--label {self.label!r}: letters, digits and : . _ / - make a label of LaTeX."
            )

    def around(self, tabular: str, caption: str, number: int) -> str:
        """The table as a float of both columns, narrowed to the page where it is wider."""
        label = self.label if number == 1 else f"{self.label}-{number}"
        return "\n".join(
            [
                "\\begin{table*}[t]",
                "\\centering",
                f"\\caption{{{escape(self.caption or caption)}}}",
                f"\\label{{{label}}}",
                "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
                f"{tabular}%",
                "}",
                "\\end{table*}",
            ]
        )
