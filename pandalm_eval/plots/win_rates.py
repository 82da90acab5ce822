"""Win rates of candidates as points with intervals, one row a candidate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pandalm_eval.errors import InputError
from pandalm_eval.plots.names import Printed, printed, share, text_width
from pandalm_eval.plots.style import (
    GUIDE,
    INK,
    LINE,
    NARROWEST,
    PAPER,
    SIZE,
    SMALL_SIZE,
    WIDEST,
    look,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points.
_ROW = 15.0
_HEAD = 18.0
_FOOT = 36.0
_GAP = 10.0
_NAME_WIDTH = 240.0  # forty letters of usual width, thirty of the widest
_GROUP_WIDTH = 60.0
_PLOT_WIDTH = 180.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One row.

    Attributes:
        name: of the candidate.
        value: its win rate, a share; NaN where it is not defined.
        low, high: ends of the 95% interval, None (or NaN) where it is not defined.
        n: pairs that the win rate is over.
        group: its rank group as printed ("1", "1–2", "ab"), None where there is none.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    n: int
    group: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends, or None."""
        if self.low is None or self.high is None or math.isnan(self.low + self.high):
            return None
        return self.low, self.high


def win_rate_bars(rows: Sequence[Bar]) -> Figure:
    """Points with 95% intervals on an axis of shares from 0 to 1 with a line at .5.

    Rows stand as given, the first on top; value, n and rank group are written at the right. A
    point without an interval is hollow. Ends of an interval beyond 0 or 1 are cut off there.

    Raises:
        InputError: no rows.
        ValueError: a value that is no share.
    """
    if not rows:
        raise InputError("There are no candidates to draw; name results with at least one.")
    if wrong := [row for row in rows if not (math.isnan(row.value) or 0 <= row.value <= 1)]:
        raise ValueError(f"the win rate of {wrong[0].name!r} is no share: {wrong[0].value}")

    with look():
        names = printed([row.name for row in rows], _NAME_WIDTH, SIZE)
        columns = _columns(rows)
        left = max(name.width for name in names) + 2 * _GAP
        right = sum(width + _GAP for _, _, width in columns) + _GAP
        points = min(max(left + _PLOT_WIDTH + right, NARROWEST * 72), WIDEST * 72)
        height = _HEAD + len(rows) * _ROW + _FOOT
        figure = new_figure(points / 72, height / 72)
        plot = points - left - right
        axes = figure.add_axes(
            (left / points, _FOOT / height, plot / points, len(rows) * _ROW / height)
        )
        _draw_axis(axes, rows)
        for place, row in enumerate(rows):
            _draw_row(axes, place, row)
        _write_names(axes, names, -_GAP / plot)
        edge = plot
        for head, texts, width in columns:
            edge += _GAP + width
            _write_column(axes, head, texts, edge / plot)
    return figure


def _columns(rows: Sequence[Bar]) -> list[tuple[str, list[str], float]]:
    """Head, texts and width in points of each column at the right."""
    columns = [
        ("win rate", [share(row.value, 3) for row in rows]),
        ("n", [str(row.n) for row in rows]),
    ]
    sized = [
        (head, texts, max(text_width(text, SIZE) for text in (head, *texts)))
        for head, texts in columns
    ]
    if any(row.group is not None for row in rows):
        groups = [_group(row.group) for row in rows]
        width = max(text_width("rank", SIZE), *(name.width for name in groups))
        sized.append(("rank", [name.lines[0] for name in groups], width))
    return sized


def _group(group: str | None) -> Printed:
    return printed(["–" if group is None else group], _GROUP_WIDTH, SIZE)[0]


def _draw_axis(axes: Axes, rows: Sequence[Bar]) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", ".25", ".5", ".75", "1"])
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.axvline(0.5, color=LINE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1)
    axes.hlines(range(len(rows)), 0, 1, color=GUIDE, linewidth=0.5, zorder=0)
    told = "win rate: (win + ½ tie) / n, with 95% interval"
    if any(row.interval is None and not math.isnan(row.value) for row in rows):
        told += " (hollow: none)"
    axes.set_xlabel(told, fontsize=SMALL_SIZE, labelpad=3)


def _draw_row(axes: Axes, place: int, row: Bar) -> None:
    if row.interval:
        axes.plot(row.interval, [place, place], color=INK, linewidth=1.2, zorder=2)
        for end in row.interval:
            axes.plot([end, end], [place - 0.18, place + 0.18], color=INK, linewidth=1, zorder=2)
    if not math.isnan(row.value):
        axes.plot(
            *([row.value], [place]),
            marker="o",
            markersize=5,
            markeredgewidth=1,
            markeredgecolor=INK,
            markerfacecolor=INK if row.interval else PAPER,
            clip_on=False,
            zorder=3,
        )


def _write_names(axes: Axes, names: Sequence[Printed], x: float) -> None:
    for place, name in enumerate(names):
        axes.text(
            *(x, place, name.lines[0]),
            transform=axes.get_yaxis_transform(),
            horizontalalignment="right",
            verticalalignment="center_baseline",
        )


def _write_column(axes: Axes, head: str, texts: Sequence[str], x: float) -> None:
    for place, text in enumerate((head, *texts), start=-1):
        axes.text(
            *(x, place, text),
            transform=axes.get_yaxis_transform(),
            horizontalalignment="right",
            verticalalignment="center_baseline",
            fontsize=SMALL_SIZE if place < 0 else SIZE,
        )
