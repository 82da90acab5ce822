"""A table of the page: cells as `tables` prints them, with what they are sorted and drawn by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure and its interval on an axis, in percent of the axis' width.

    Attributes:
        value, low, high: places; the ends are the value's own where there is no interval.
        guide: where chance or no difference is, None where there is no such place.
    """

    value: float
    low: float
    high: float
    guide: float | None = None


@dataclass(frozen=True, slots=True)
class Axis:
    """What a column's bars are drawn on.

    Attributes:
        key: of the rows' figure; the interval is below `<key>_ci_low` and `<key>_ci_high`.
        low, high: the ends of the axis.
        guide: where chance or no difference is.
        interval: what the interval's keys begin with, if not with `key`.
    """

    key: str
    low: float = 0.0
    high: float = 1.0
    guide: float | None = None
    interval: str | None = None

    def bar(self, row: Row) -> Bar | None:
        """The bar of a row; None where the row has no such figure."""
        value = row.get(self.key)
        if not isinstance(value, int | float):
            return None
        ends = [row.get(f"{self.interval or self.key}_ci_{end}") for end in ("low", "high")]
        low, high = (value if end is None else end for end in ends)
        guide = None if self.guide is None else self._place(self.guide)
        return Bar(self._place(value), self._place(low), self._place(high), guide)

    def _place(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        return round(100 * (inside - self.low) / (self.high - self.low), 2)


Axes = Mapping[str, Axis | str]
"""By column what it is sorted by: a key of the rows, or an axis, on which it is drawn, too."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell shows.

    Attributes:
        text: as printed in every other format.
        order: the number that it is sorted by; None where it is sorted by its text.
        bar: drawn below the text.
    """

    text: str
    order: float | None
    bar: Bar | None = None

    @property
    def figure(self) -> str:
        """The text up to its interval."""
        return self.text.partition(" [")[0]

    @property
    def interval(self) -> str:
        """The interval in its brackets, if there is one."""
        return self.text[len(self.figure) :].strip() if self.bar else ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its caption.

    Attributes:
        name: for ids; letters and hyphens.
        caption: what it shows, of what.
        columns: heads.
        rows: cells, as many as there are heads; the first one names the row.
        kinds: of the rows, for their look: run, rule, human, published.
        notes: what a reader must know.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kinds: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


def sheet(
    name: str,
    caption: str,
    section: Sequence[Mapping[str, str]],
    rows: Sequence[Row],
    axes: Axes,
    notes: Sequence[str] = (),
) -> Sheet:
    """A sheet of a table's printed section.

    Args:
        section: {column: cell}, one a row, all with the same columns.
        rows: the figures of the same rows.
        axes: columns that it does not name are sorted by their text.
    """
    columns = tuple(section[0]) if section else ()
    cells = [
        tuple(_cell(text, axes.get(column), row) for column, text in printed.items())
        for printed, row in zip(section, rows, strict=True)
    ]
    kinds = tuple(str(row.get("source", "run")) for row in rows)
    return Sheet(name, caption, columns, tuple(cells), kinds, tuple(notes))


def _cell(text: str, axis: Axis | str | None, row: Row) -> Cell:
    if axis is None:
        return Cell(text, None)
    value = row.get(axis.key if isinstance(axis, Axis) else axis)
    order = _leading_number(text) if value is None else value
    return Cell(text, order, axis.bar(row) if isinstance(axis, Axis) else None)


def _leading_number(text: str) -> float | None:
    """What a published figure, which stands under a key of its own, is sorted by."""
    try:
        return float(text.partition(" ")[0])
    except ValueError:
        return None
