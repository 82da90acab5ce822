"""Win rates of a grid's candidates: one factor across, one down, a panel for the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pandalm_eval.errors import InputError
from pandalm_eval.plots.names import share
from pandalm_eval.plots.style import (
    INK,
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

_CELL = 0.48  # inches
_MARGIN = 0.9


@dataclass(frozen=True, slots=True)
class Cell:
    """One candidate.

    Attributes:
        values: {factor: value} of the grid.
        win_rate: a share, NaN where it has not answered.
        mark: what stands below the figure: `chosen`, `default`, or nothing.
    """

    values: Mapping[str, Any]
    win_rate: float
    mark: str = ""


def search_grid(cells: Sequence[Cell], across: str, down: str | None) -> Figure:
    """A grey map of win rates, darker is higher, with the figure in each cell.

    Args:
        across, down: the factors of columns and rows, None for a single row; a panel for each
            combination of the others.

    Raises:
        InputError: no candidates.
    """
    if not cells:
        raise InputError("There are no candidates to draw.")
    if down is None:
        down = ""
        cells = [replace(cell, values={**cell.values, down: ""}) for cell in cells]
    levels = {factor: _levels(cells, factor) for factor in cells[0].values}
    others = [factor for factor in levels if factor not in (across, down)]
    panels = list(dict.fromkeys(tuple(cell.values[f] for f in others) for cell in cells))
    columns = min(len(panels), 4)
    rows = math.ceil(len(panels) / columns)
    width = min(max(columns * (len(levels[across]) * _CELL + 0.3) + _MARGIN, NARROWEST), 2 * WIDEST)
    height = rows * (len(levels[down]) * _CELL + 0.6) + 0.5
    known = [cell.win_rate for cell in cells if not math.isnan(cell.win_rate)] or [0.0]
    ends = min(known), max(max(known), min(known) + 1e-9)
    with look():
        figure = new_figure(width, height)
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place, panel in enumerate(axes.flat):
            if place >= len(panels):
                panel.set_visible(False)
                continue
            own = [c for c in cells if tuple(c.values[f] for f in others) == panels[place]]
            _draw(panel, own, (across, down), levels, ends)
            panel.set_title(_title(others, panels[place]), fontsize=SIZE)
        for panel in axes[-1]:
            panel.set_xlabel(across)
        for panel in axes[:, 0]:
            panel.set_ylabel(down.replace("_", " "))
        figure.tight_layout()
    return figure


def _title(factors: Sequence[str], values: Sequence[Any]) -> str:
    """Words stand for themselves, numbers have their factor before them."""
    told = [
        str(value) if isinstance(value, str) else f"{factor.replace('_', ' ')} {value}"
        for factor, value in zip(factors, values, strict=True)
    ]
    return ", ".join(told)


def _levels(cells: Sequence[Cell], factor: str) -> list[Any]:
    return list(dict.fromkeys(cell.values[factor] for cell in cells))


def _draw(
    axes: Axes,
    cells: Sequence[Cell],
    factors: tuple[str, str],
    levels: Mapping[str, Sequence[Any]],
    ends: tuple[float, float],
) -> None:
    across, down = (levels[factor] for factor in factors)
    for cell in cells:
        x, y = (levels[f].index(cell.values[f]) for f in factors)
        known = not math.isnan(cell.win_rate)
        depth = (cell.win_rate - ends[0]) / (ends[1] - ends[0]) if known else 0.0
        axes.fill_between([x, x + 1], y, y + 1, color=str(1 - 0.75 * depth), linewidth=0)
        text = share(cell.win_rate, 3) if known else "–"
        axes.text(
            *(x + 0.5, y + 0.5, "\n".join([text, *cell.mark.split(", ")]) if cell.mark else text),
            ha="center",
            va="center",
            fontsize=SMALL_SIZE - 1,
            color=PAPER if depth > 0.6 else INK,
        )
    axes.set_xlim(0, len(across))
    axes.set_ylim(len(down), 0)
    axes.set_xticks([place + 0.5 for place in range(len(across))], list(map(str, across)))
    axes.set_yticks([place + 0.5 for place in range(len(down))], list(map(str, down)))
    axes.tick_params(length=0)
