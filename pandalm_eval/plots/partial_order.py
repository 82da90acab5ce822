"""Which candidates are significantly better than which, the better ones above."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pandalm_eval.errors import InputError
from pandalm_eval.plots.layers import Edge, Layout, Point, lay_out
from pandalm_eval.plots.names import Printed, printed, share, text_width
from pandalm_eval.plots.style import (
    BAND,
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
_MARGIN = 10.0
_PADDING = (6.0, 4.0)
_LINE_HEIGHT = 10.0
_NAME_WIDTH = 90.0
_MEMBER_WIDTH = 190.0
_HEAD_SIZE = (2.5, 5.0)
_NOTE_GAP = 8.0
_FOOT_HEAD = 20.0

_FOOT_TEXT = "no significant difference from any other candidate"


@dataclass(frozen=True, slots=True)
class _Box:
    """One candidate, or several between which differences run in a cycle.

    Attributes:
        lines: text and font size, escaped for matplotlib.
        size: width and height in points.
        cycle: whether it holds several.
    """

    lines: tuple[tuple[str, float], ...]
    size: Point
    cycle: bool


def partial_order(
    names: Sequence[str],
    edges: Collection[tuple[str, str]],
    win_rates: Mapping[str, float] | None,
) -> Figure:
    """Boxes of candidates with an arrow from each to those it is significantly better than.

    Arrows that follow from two others are left out (transitive reduction). Significance need not be
    transitive: where two candidates are joined by a path but do not differ significantly, a note
    says how many such pairs there are. Where better-than runs in a cycle, its members share one
    dashed box. A candidate stands in the middle of the layers where it may stand, one without any
    significant difference at the foot; rows on a grey band are one layer.

    Args:
        names: of candidates; the same name twice is one candidate.
        edges: (better, worse) where the difference is significant; (a, a) says nothing.
        win_rates: shares printed below the names, – where one is missing or NaN.

    Raises:
        InputError: no names.
        ValueError: an edge of a candidate that is not in `names`.
    """
    candidates = _sorted(names, win_rates)
    if not candidates:
        raise InputError("There are no candidates to draw; name results with at least one.")
    if unknown := {name for edge in edges for name in edge} - set(candidates):
        raise ValueError(f"edges name candidates that are not in names: {sorted(unknown)}")

    number = {name: i for i, name in enumerate(candidates)}
    # Sorted, since the order of a set of strings differs from run to run.
    relation = sorted({(number[a], number[b]) for a, b in edges if a != b})
    groups, arrows = _reduced(len(candidates), relation)
    with look():
        boxes = _boxes(candidates, groups, win_rates)
        ordered = {candidate for edge in relation for candidate in edge}
        apart = {i for i, group in enumerate(groups) if group[0] not in ordered}
        room = WIDEST * 72 - 2 * _MARGIN
        layout = lay_out([box.size for box in boxes], arrows, apart, room)
        notes = _notes(groups, relation, layout)
        if win_rates is not None:
            notes.append("Shares: win rates, (win + ½ tie) / n.")
        return _drawn(boxes, layout, notes)


def _sorted(names: Sequence[str], win_rates: Mapping[str, float] | None) -> list[str]:
    """Each name once, by win rate where there are any: best first, undefined last."""
    rates = win_rates or {}

    def place(name: str) -> float:
        rate = rates.get(name, math.nan)
        return math.inf if math.isnan(rate) else -rate

    return sorted(dict.fromkeys(names), key=place)


def _reduced(count: int, relation: Sequence[Edge]) -> tuple[list[list[int]], list[Edge]]:
    """Groups of candidates (more than one: a cycle), and the arrows between groups."""
    import networkx as nx  # type: ignore[import-untyped]

    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(relation)
    groups = sorted(sorted(group) for group in nx.strongly_connected_components(graph))
    group_of = {candidate: i for i, group in enumerate(groups) for candidate in group}
    condensed = nx.DiGraph()
    condensed.add_nodes_from(range(len(groups)))
    condensed.add_edges_from(
        (group_of[a], group_of[b]) for a, b in relation if group_of[a] != group_of[b]
    )
    return groups, sorted(nx.transitive_reduction(condensed).edges)


def _boxes(
    candidates: Sequence[str],
    groups: Sequence[Sequence[int]],
    win_rates: Mapping[str, float] | None,
) -> list[_Box]:
    single = printed(candidates, _NAME_WIDTH, SIZE, 3)
    member = printed(candidates, _MEMBER_WIDTH, SIZE)
    rates = ["" for _ in candidates]
    if win_rates is not None:
        rates = [share(win_rates.get(name, math.nan), 3) for name in candidates]
    boxes = []
    for group in groups:
        if len(group) == 1:
            boxes.append(_box(single[group[0]], rates[group[0]]))
        else:
            boxes.append(_cycle_box([member[i] for i in group], [rates[i] for i in group]))
    return boxes


def _box(name: Printed, rate: str) -> _Box:
    lines = [(line, SIZE) for line in name.lines] + ([(rate, SMALL_SIZE)] if rate else [])
    return _sized(lines, max(name.width, text_width(rate, SMALL_SIZE)), cycle=False)


def _cycle_box(members: Sequence[Printed], rates: Sequence[str]) -> _Box:
    # Two spaces keep a name that ends in a number apart from its rate.
    lines = [
        (f"{name.lines[0]}  {rate}".rstrip(), SIZE)
        for name, rate in zip(members, rates, strict=True)
    ]
    width = max(name.width for name in members) + max(text_width(f"  {r}", SIZE) for r in rates)
    return _sized(lines, width, cycle=True)


def _sized(lines: Sequence[tuple[str, float]], width: float, *, cycle: bool) -> _Box:
    size = (width + 2 * _PADDING[0], len(lines) * _LINE_HEIGHT + 2 * _PADDING[1])
    return _Box(tuple(lines), size, cycle)


def _notes(groups: Sequence[Sequence[int]], relation: Sequence[Edge], layout: Layout) -> list[str]:
    """What a reader must know to read the figure, one line each."""
    if not relation:
        return ["No difference is significant."]
    notes = ["Arrow: significantly better than. Arrows that follow from others are left out."]
    if bare := _paths_only(groups, relation):
        pairs = (
            "pair that is joined by a path only does"
            if bare == 1
            else ("pairs that are joined by a path only do")
        )
        notes.append(f"{bare} {pairs} not differ significantly.")
    if any(len(group) > 1 for group in groups):
        notes.append("Dashed box: better-than runs in a cycle, so there is no order inside.")
    if layout.bands:
        notes.append("Rows on one grey band: no order between them.")
    return notes


def _paths_only(groups: Sequence[Sequence[int]], relation: Sequence[Edge]) -> int:
    """Pairs of candidates of different groups joined by a path, but not in the relation."""
    import networkx as nx

    told = set(relation)
    graph = nx.DiGraph(list(relation))
    group_of = {candidate: i for i, group in enumerate(groups) for candidate in group}
    return sum(
        (one, other) not in told and group_of[one] != group_of[other]
        for one in graph
        for other in nx.descendants(graph, one)
    )


def _drawn(boxes: Sequence[_Box], layout: Layout, notes: Sequence[str]) -> Figure:
    note_width = max(text_width(note, SMALL_SIZE) for note in (*notes, _FOOT_TEXT))
    width = max(layout.width, note_width, NARROWEST * 72 - 2 * _MARGIN)
    below = _NOTE_GAP + len(notes) * _LINE_HEIGHT
    size = (width + 2 * _MARGIN, layout.height + below + 2 * _MARGIN)
    figure = new_figure(size[0] / 72, size[1] / 72)
    axes = figure.add_axes((0, 0, 1, 1), frameon=False)
    # The axes count points, the layout in the middle.
    left = -_MARGIN - (width - layout.width) / 2
    axes.set(xlim=(left, left + size[0]), ylim=(size[1] - _MARGIN, -_MARGIN), xticks=[], yticks=[])
    for band in layout.bands:
        axes.axhspan(band[0] - 5, band[1] + 5, facecolor=BAND, edgecolor="none", zorder=0)
    if layout.foot is not None:
        y = layout.foot - _FOOT_HEAD
        axes.hlines(y, 0, layout.width, color=LINE, linewidth=0.6, linestyle=(0, (1, 2)))
        axes.text(
            *(layout.width / 2, y + 4, _FOOT_TEXT),
            fontsize=SMALL_SIZE,
            horizontalalignment="center",
            verticalalignment="top",
        )
    for route in layout.routes:
        _draw_arrow(axes, route)
    for box, centre in zip(boxes, layout.centres, strict=True):
        _draw_box(axes, box, centre)
    for number, note in enumerate(notes, start=1):
        y = layout.height + _NOTE_GAP + number * _LINE_HEIGHT
        axes.text(left + _MARGIN, y - 2, note, fontsize=SMALL_SIZE)
    return figure


def _draw_box(axes: Axes, box: _Box, centre: Point) -> None:
    from matplotlib.patches import FancyBboxPatch

    (x, y), (width, height) = centre, box.size
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - height / 2),
            *(width, height),
            boxstyle="round,pad=0,rounding_size=3",
            facecolor=PAPER,
            edgecolor=INK,
            linewidth=0.8,
            linestyle=(0, (3, 2)) if box.cycle else "solid",
            zorder=2,
        )
    )
    for number, (text, size) in enumerate(box.lines):
        axes.text(
            *(x, y - height / 2 + _PADDING[1] + (number + 0.5) * _LINE_HEIGHT, text),
            fontsize=size,
            horizontalalignment="center",
            verticalalignment="center_baseline",
            zorder=3,
        )


def _draw_arrow(axes: Axes, route: Sequence[Point]) -> None:
    """Curves across the gaps, straight lines past the rows, and a head at the end."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    tip = route[-1]
    half, length = _HEAD_SIZE
    *points, _ = route
    points.append((tip[0], tip[1] - length))
    vertices, codes = [points[0]], [Path.MOVETO]
    for stretch, (start, end) in enumerate(itertools.pairwise(points)):
        middle = (start[1] + end[1]) / 2
        if stretch % 2 == 0:
            vertices += [(start[0], middle), (end[0], middle), end]
            codes += [Path.CURVE4] * 3
        else:
            vertices.append(end)
            codes.append(Path.LINETO)
    axes.add_patch(
        PathPatch(Path(vertices, codes), fill=False, edgecolor=LINE, linewidth=0.8, zorder=1)
    )
    head = [tip, (tip[0] - half, tip[1] - length), (tip[0] + half, tip[1] - length)]
    axes.add_patch(Polygon(head, facecolor=LINE, edgecolor="none", zorder=1))
