"""All candidates of a search from the strongest to the weakest, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pandalm_eval.errors import InputError
from pandalm_eval.plots.style import INK, LINE, PAPER, SMALL_SIZE, WIDEST, look, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Point:
    """One candidate.

    Attributes:
        win_rate, low, high: a share and the ends of its 95% interval.
        mark: what is written beside it, or nothing.
    """

    win_rate: float
    low: float
    high: float
    mark: str = ""


def search_curve(points: Sequence[Point]) -> Figure:
    """Points with intervals by rank, in the order given; marked ones are filled and named.

    Raises:
        InputError: no points.
    """
    if not points:
        raise InputError("There are no candidates to draw.")
    with look():
        figure = new_figure(WIDEST, 2.8)
        axes = figure.subplots()
        for rank, point in enumerate(points, start=1):
            axes.plot([rank, rank], [point.low, point.high], color=LINE, linewidth=0.8)
            axes.plot(
                *([rank], [point.win_rate]),
                marker="o",
                markersize=3.5,
                markeredgewidth=0.8,
                markeredgecolor=INK,
                markerfacecolor=INK if point.mark else PAPER,
            )
            if point.mark:
                axes.annotate(
                    point.mark,
                    (rank, point.high),
                    xytext=(2, 3),
                    textcoords="offset points",
                    fontsize=SMALL_SIZE,
                )
        axes.axhline(0.5, color=LINE, linewidth=0.8, linestyle=(0, (4, 2)), zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_xlim(0, len(points) + 1)
        axes.set_xlabel("candidates, the strongest first")
        axes.set_ylabel("win rate against the default,\nwith 95% interval")
        figure.tight_layout()
    return figure
