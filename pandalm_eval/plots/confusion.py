"""Gold against verdicts: how often each label was read as each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pandalm_eval.plots.names import printed, share
from pandalm_eval.plots.style import INK, NARROWEST, PAPER, SIZE, SMALL_SIZE, look, new_figure
from pandalm_eval.verdicts import LABELS, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHAPE = (len(LABELS), len(Verdict))

# Points.
_CELL = (46.0, 32.0)
_LEFT = 52.0
_ABOVE = 32.0
_EDGE = 6.0
_TITLE_SIZE = 9.0
_TITLE_LINE = 12.0

_DARKEST = 0.25
"""Grey of a share of 1: still lighter than the ink of the axes."""


def confusion(counts: npt.NDArray[np.integer[Any]], title: str) -> Figure:
    """Counts and row shares; the darker a cell, the larger its share of the row.

    Args:
        counts: (3, 4) gold (first, second, tie) by verdict (first, second, tie, invalid).
        title: at most two lines; an empty one takes no room.

    Raises:
        ValueError: another shape, or a negative count.
    """
    from matplotlib.patches import Rectangle

    counts = np.asarray(counts)
    if counts.shape != _SHAPE or (counts < 0).any():
        raise ValueError(f"counts must be {_SHAPE} and not negative, but are {counts.tolist()}")
    with look():
        width = NARROWEST * 72
        lines = _title(title, width - 2 * _EDGE)
        above = _ABOVE + len(lines) * _TITLE_LINE + _EDGE
        size = (_CELL[0] * _SHAPE[1], _CELL[1] * _SHAPE[0])
        height = above + size[1] + _EDGE
        figure = new_figure(width / 72, height / 72)
        axes = figure.add_axes(
            (_LEFT / width, _EDGE / height, size[0] / width, size[1] / height), frameon=False
        )
        axes.set(xlim=(0, _SHAPE[1]), ylim=(_SHAPE[0], 0), xticks=[], yticks=[])
        for (row, column), count in np.ndenumerate(counts):
            total = int(counts[row].sum())
            part = int(count) / total if total else math.nan
            grey = 1.0 if math.isnan(part) else 1 - (1 - _DARKEST) * part
            axes.add_patch(
                Rectangle(
                    (column, row),
                    1,
                    1,
                    facecolor=str(grey),
                    edgecolor=INK,
                    linewidth=0.5,
                    clip_on=False,
                )
            )
            for dy, text, points in (
                (0.36, str(int(count)), SIZE),
                (0.72, share(part, 2), SMALL_SIZE),
            ):
                axes.text(
                    *(column + 0.5, row + dy, text),
                    color=_readable_on(grey),
                    horizontalalignment="center",
                    verticalalignment="center_baseline",
                    fontsize=points,
                )
        _write_heads(axes, counts.sum(axis=1))
        for number, line in enumerate(lines):
            y = 1 - (_EDGE + (number + 0.8) * _TITLE_LINE) / height
            figure.text(0.5, y, line, horizontalalignment="center", fontsize=_TITLE_SIZE)
    return figure


def _title(title: str, width: float) -> tuple[str, ...]:
    return printed([title], width, _TITLE_SIZE, 2, longest=80)[0].lines if title.strip() else ()


def _readable_on(grey: float) -> str:
    """Black or white, whichever has the higher contrast (at least 4.5 on any grey, as WCAG asks).

    The relative luminance of a grey g is about g ** 2.2; the contrasts meet where it is .179.
    """
    return INK if grey > 0.46 else PAPER


def _write_heads(axes: Axes, totals: npt.NDArray[np.integer[Any]]) -> None:
    def line(points: float) -> float:
        return -points / _CELL[1]

    axes.text(_SHAPE[1] / 2, line(21), "verdict", horizontalalignment="center")
    for column, verdict in enumerate(Verdict):
        axes.text(column + 0.5, line(6), verdict.value, horizontalalignment="center")
    x = -6 / _CELL[0]
    axes.text(x, line(6), "gold", horizontalalignment="right")
    for row, (label, total) in enumerate(zip(LABELS, totals, strict=True)):
        for dy, text, size in ((0.36, label.value, SIZE), (0.72, f"n = {total}", SMALL_SIZE)):
            axes.text(
                *(x, row + dy, text),
                horizontalalignment="right",
                verticalalignment="center_baseline",
                fontsize=size,
            )
