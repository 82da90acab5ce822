"""Where the boxes of a layered graph stand: rows from top to bottom, lines that meet no box.

After Sugiyama, Tagawa and Toda (1981): layers by longest path, a place holder in every row that a
line passes, rows sorted by the mean place of their neighbours, places that keep lines straight.
All lengths are points; y grows downwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Point = tuple[float, float]
Edge = tuple[int, int]
Rows = list[list[int]]

_BETWEEN: Final = 10.0  # two boxes of a row
_LANE: Final = 3.0  # a line that passes a row
_ROW_GAP: Final = (24.0, 48.0)  # two rows with lines between them: at least, at most
_BARE_GAP: Final = 10.0  # two rows without
_FOOT_GAP: Final = 34.0  # rows and foot
_SWEEPS: Final = 24


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of boxes and lines.

    Attributes:
        width, height: of all of it.
        centres: of each box.
        routes: for each edge its points, from the lower side of a box to the upper side of another:
            even stretches cross the gap between two rows, odd ones run straight down past a row.
        bands: top and bottom of each layer that is too wide for one row.
        foot: top of the boxes that stand apart; None without such, or without others.
    """

    width: float
    height: float
    centres: tuple[Point, ...]
    routes: tuple[tuple[Point, ...], ...]
    bands: tuple[tuple[float, float], ...]
    foot: float | None


@dataclass(frozen=True, slots=True)
class _Grid:
    """Items by row: the boxes, then a place holder for each row that an edge passes."""

    rows: Rows
    widths: list[float]
    chains: list[list[int]]  # the items of each edge, downwards
    boxes: int

    def links(self) -> Iterator[Edge]:
        """Upper and lower item of every stretch between two rows."""
        for chain in self.chains:
            yield from itertools.pairwise(chain)


def lay_out(
    sizes: Sequence[Point], edges: Sequence[Edge], apart: Collection[int], widest: float
) -> Layout:
    """Places for boxes of `sizes` (width, height), the first of each edge above the second.

    A layer that does not fit into `widest` is broken into rows; only lines, where there are very
    many, may need more room than that.

    Args:
        sizes: of each box; boxes of a layer start in this order.
        edges: pairs of box numbers without a cycle.
        apart: boxes without edges that belong to no layer; they stand at the foot, side by side.
        widest: points.
    """
    layers = [[box for box in layer if box not in apart] for layer in _layers(len(sizes), edges)]
    layers = [layer for layer in layers if layer]
    foot = _split(sorted(apart), sizes, widest)
    narrowest: Layout | None = None
    for eighths in range(8, 2, -1):  # lines need room as well, so the boxes may get less
        split = [_split(layer, sizes, widest * eighths / 8) for layer in layers]
        rows = [row for parts in (*split, foot) for row in parts]
        grid = _untangled(_grid(rows, sizes, edges))
        layout = _measured(grid, _places(grid), sizes, [len(parts) for parts in split])
        if narrowest is None or layout.width < narrowest.width:
            narrowest = layout
        if narrowest.width <= widest:
            break
    assert narrowest is not None
    return narrowest


def _layers(count: int, edges: Sequence[Edge]) -> Rows:
    """Boxes by layer, each in the middle of the layers where it may stand.

    The middle of the longest way from the top and the longest way from the bottom puts the better
    box of every edge above the worse one, and does not show a box without any edge as a best one.
    """
    above, below = [0] * count, [0] * count
    for _ in range(count):  # a longest way has fewer edges than there are boxes
        for upper, lower in edges:
            above[lower] = max(above[lower], above[upper] + 1)
            below[upper] = max(below[upper], below[lower] + 1)
    depth = max(above, default=0)
    layers: Rows = [[] for _ in range(depth + 1)]
    for box in range(count):
        layers[(above[box] + depth - below[box]) // 2].append(box)
    return layers


def _split(layer: list[int], sizes: Sequence[Point], room: float) -> Rows:
    """As few rows of like length as fit into `room`; a box that is wider has its own."""
    for most in range(len(layer), 0, -1):
        even = math.ceil(len(layer) / math.ceil(len(layer) / most))
        rows = [layer[start : start + even] for start in range(0, len(layer), even)]
        if all(sum(sizes[box][0] + _BETWEEN for box in row) - _BETWEEN <= room for row in rows):
            return rows
    return [[box] for box in layer]


def _grid(rows: Rows, sizes: Sequence[Point], edges: Sequence[Edge]) -> _Grid:
    rows = [list(row) for row in rows]
    row_of = {box: number for number, row in enumerate(rows) for box in row}
    widths = [width for width, _ in sizes]
    chains = []
    for upper, lower in edges:
        chain = [upper]
        for row in range(row_of[upper] + 1, row_of[lower]):
            chain.append(len(widths))
            rows[row].append(len(widths))
            widths.append(_LANE)
        chains.append([*chain, lower])
    return _Grid(rows, widths, chains, len(sizes))


def _untangled(grid: _Grid) -> _Grid:
    """The same grid with its rows in the order that has the fewest crossings of those tried."""
    upper: dict[int, list[int]] = {}
    lower: dict[int, list[int]] = {}
    for one, other in grid.links():
        lower.setdefault(one, []).append(other)
        upper.setdefault(other, []).append(one)
    rows = [list(row) for row in grid.rows]
    best, fewest = rows, math.inf
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        rows = [list(row) for row in rows]
        for number in range(len(rows)) if downwards else reversed(range(len(rows))):
            _sort(rows[number], rows, upper if downwards else lower)
        crossings = _crossings(rows, lower)
        if crossings < fewest:
            best, fewest = rows, crossings
    return _Grid(best, grid.widths, grid.chains, grid.boxes)


def _ranks(rows: Rows) -> dict[int, float]:
    return {item: (i + 0.5) / len(row) for row in rows for i, item in enumerate(row)}


def _sort(row: list[int], rows: Rows, neighbours: dict[int, list[int]]) -> None:
    rank = _ranks(rows)

    def wanted(item: int) -> float:
        near = neighbours.get(item)
        return sum(rank[n] for n in near) / len(near) if near else rank[item]

    row.sort(key=wanted)


def _crossings(rows: Rows, lower: dict[int, list[int]]) -> int:
    rank = _ranks(rows)
    count = 0
    for row in rows:
        ends = [(rank[item], rank[other]) for item in row for other in lower.get(item, ())]
        count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))
    return count


def _places(grid: _Grid) -> list[float]:
    """x of each item: near its neighbours, in its row's order, without overlap.

    Each row in turn is placed at its best, the others fixed. Lines past several rows pull hardest,
    so that they are straight; a weak pull to the middle keeps boxes without lines near the others.
    """
    pulls: list[list[tuple[int, float]]] = [[] for _ in grid.widths]
    for one, other in grid.links():
        force = (1.0, 2.0, 8.0)[(one >= grid.boxes) + (other >= grid.boxes)]
        pulls[one].append((other, force))
        pulls[other].append((one, force))
    xs = [0.0] * len(grid.widths)
    for sweep in range(4 * _SWEEPS):
        for row in grid.rows if sweep % 2 == 0 else reversed(grid.rows):
            forces = [0.01 + sum(force for _, force in pulls[item]) for item in row]
            wanted = [
                sum(force * xs[other] for other, force in pulls[item]) / total
                for item, total in zip(row, forces, strict=True)
            ]
            for item, x in zip(row, _apart(row, wanted, forces, grid.widths), strict=True):
                xs[item] = x
    _centre_loose_rows(grid, xs, {item for item, near in enumerate(pulls) if near})
    return xs


def _centre_loose_rows(grid: _Grid, xs: list[float], linked: Collection[int]) -> None:
    """Put rows that no line reaches below the middle of the others."""

    def middle(items: Collection[int]) -> float:
        left = min(xs[item] - grid.widths[item] / 2 for item in items)
        return (left + max(xs[item] + grid.widths[item] / 2 for item in items)) / 2

    aim = middle(linked) if linked else 0.0
    for row in grid.rows:
        if not set(row) & set(linked):
            shift = aim - middle(row)
            for item in row:
                xs[item] += shift


def _apart(
    row: Sequence[int], wanted: Sequence[float], forces: Sequence[float], widths: Sequence[float]
) -> list[float]:
    """The x nearest to the wanted ones (weighted squares) with room between each two items.

    Less the room needed left of each item, it is a regression to non-decreasing values.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(row):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2 + _BETWEEN)
    blocks: list[tuple[float, float, int]] = []  # value, force, items
    for x, offset, force in zip(wanted, offsets, forces, strict=True):
        block = (x - offset, force, 1)
        while blocks and blocks[-1][0] > block[0]:
            value, other, items = blocks.pop()
            total = other + block[1]
            block = ((value * other + block[0] * block[1]) / total, total, items + block[2])
        blocks.append(block)
    values = [value for value, _, items in blocks for _ in range(items)]
    return [value + offset for value, offset in zip(values, offsets, strict=True)]


def _measured(
    grid: _Grid, xs: Sequence[float], sizes: Sequence[Point], split: Sequence[int]
) -> Layout:
    """The layout of items at `xs`; `split` says how many rows each layer has, the foot aside."""
    left = min(x - width / 2 for x, width in zip(xs, grid.widths, strict=True))
    right = max(x + width / 2 for x, width in zip(xs, grid.widths, strict=True))
    xs = [x - left for x in xs]
    heights = [max((sizes[i][1] for i in row if i < grid.boxes), default=0) for row in grid.rows]
    row_of = {item: number for number, row in enumerate(grid.rows) for item in row}
    slants: dict[int, float] = {}  # the flattest line below each row
    for one, other in grid.links():
        slants[row_of[one]] = max(slants.get(row_of[one], 0.0), abs(xs[one] - xs[other]))
    tops = [0.0]
    for number, height in enumerate(heights):
        least, most = _ROW_GAP
        gap = min(most, least + slants[number] / 6) if number in slants else _BARE_GAP
        if number + 1 == sum(split):
            gap = _FOOT_GAP
        tops.append(tops[-1] + height + gap)

    def middle(item: int) -> float:
        return tops[row_of[item]] + heights[row_of[item]] / 2

    centres = tuple((xs[box], middle(box)) for box in range(grid.boxes))
    leaving, arriving = _ports(grid, xs, leaving=True), _ports(grid, xs, leaving=False)
    routes = []
    for number, (first, *passed, last) in enumerate(grid.chains):
        route = [(xs[first] + leaving[number], middle(first) + sizes[first][1] / 2)]
        for item in passed:
            top = tops[row_of[item]]
            route += [(xs[item], top), (xs[item], top + heights[row_of[item]])]
        route.append((xs[last] + arriving[number], middle(last) - sizes[last][1] / 2))
        routes.append(tuple(route))
    starts = [0, *itertools.accumulate(split)]
    bands = tuple(
        (tops[start], tops[end - 1] + heights[end - 1])
        for start, end in itertools.pairwise(starts)
        if end - start > 1
    )
    foot = tops[sum(split)] if 0 < sum(split) < len(grid.rows) else None
    return Layout(right - left, tops[-2] + heights[-1], centres, tuple(routes), bands, foot)


def _ports(grid: _Grid, xs: Sequence[float], *, leaving: bool) -> list[float]:
    """How far from a box's middle each edge leaves or arrives, so that no two share an end."""
    ends: dict[int, list[tuple[float, int]]] = {}
    for number, chain in enumerate(grid.chains):
        box, towards = (chain[0], chain[1]) if leaving else (chain[-1], chain[-2])
        ends.setdefault(box, []).append((xs[towards], number))
    found = [0.0] * len(grid.chains)
    for box, edges in ends.items():
        step = min(12.0, 0.7 * grid.widths[box] / len(edges))
        for place, (_, number) in enumerate(sorted(edges)):
            found[number] = (place - (len(edges) - 1) / 2) * step
    return found
