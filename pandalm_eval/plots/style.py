"""The common look of all figures: a paper's column, small type, greys only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NARROWEST, WIDEST = 3.4, 7.0
"""Inches: one column and both columns of a paper."""

SIZE = 8.0
"""Points: names, figures, axes."""

SMALL_SIZE = 7.0
"""Points: what stands below or beside the names."""

# Greys as matplotlib reads them, "0" black to "1" white. What differs in meaning also differs in
# shape or line style, so that a bad copy loses nothing.
INK, LINE, GUIDE, BAND, PAPER = "0", "0.35", "0.85", "0.94", "1"

_LOOK: Any = {  # some versions of matplotlib type the keys
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # ships with matplotlib, so it is everywhere
    "font.size": SIZE,
    "axes.labelsize": SIZE,
    "axes.titlesize": 9.0,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "xtick.labelsize": SIZE,
    "xtick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "hatch.linewidth": 0.5,
    "lines.solid_capstyle": "butt",
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "pandalm_eval",  # ids are random without it
    "pdf.fonttype": 42,  # TrueType; journals refuse type 3
}


@contextmanager
def look() -> Iterator[None]:
    """While open, matplotlib draws our way, whatever the user's own matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of `width` by `height` inches that can be measured without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure
