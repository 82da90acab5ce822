"""Figures: real files of all three formats, hostile names, nothing over anything, greys only."""

from __future__ import annotations

import io
import itertools
import logging
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from test_plot_names import HOSTILE, TEXTS

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.plots.confusion import confusion
from pandalm_eval.plots.layers import lay_out
from pandalm_eval.plots.partial_order import partial_order
from pandalm_eval.plots.style import WIDEST, look
from pandalm_eval.plots.win_rates import Bar, win_rate_bars
from pandalm_eval.plots.write import SUFFIXES, write

NAMES = [
    *("llama-7b", "bloom-7b", "cerebras-gpt-6.7B", "opt-7b", "pythia-6.9b", "alpaca_lora_7b"),
    *("llama-13b-instruct-optimal-lr", "vicuna-13b-v1.5-delta-weights", "gpt-3.5-turbo-0301"),
    *("PandaLM-7B-v1", "SmolLM2-135M", "mistral-7b", "phi-2", "gemma-2b", "W" * 30),
]
RATES = {name: 0.9 - 0.05 * i for i, name in enumerate(NAMES)}
COUNTS = np.array([[300, 60, 20, 7], [55, 290, 30, 0], [0, 0, 0, 0]])


def _ordered(count: int, gap: float) -> list[tuple[str, str]]:
    """Pairs of the first names whose win rates differ by more than `gap`: a partial order."""
    pairs = itertools.permutations(NAMES[:count], 2)
    return [(a, b) for a, b in pairs if RATES[a] - RATES[b] > gap]


def _bars(names: list[str]) -> list[Bar]:
    return [Bar(name, 0.5, 0.4, 0.6, 170, "a") for name in names]


FIGURES: dict[str, Callable[[], Figure]] = {
    "order": lambda: partial_order(NAMES, _ordered(15, 0.17), RATES),
    "two": lambda: partial_order(NAMES[:2], _ordered(2, 0.01), RATES),
    "one": lambda: partial_order(NAMES[:1], [], None),
    "none significant": lambda: partial_order(NAMES, [], RATES),
    "few significant": lambda: partial_order(NAMES, _ordered(15, 0.6), RATES),
    "cycle": lambda: partial_order(NAMES[:5], [*_ordered(4, 0.01), (NAMES[3], NAMES[1])], RATES),
    "hostile": lambda: partial_order(HOSTILE, [(HOSTILE[0], HOSTILE[12])], {}),
    "bars": lambda: win_rate_bars(_bars(NAMES)),
    "one bar": lambda: win_rate_bars(_bars(NAMES[:1])),
    "hostile bars": lambda: win_rate_bars([Bar(n, 1, 0.9, 1, 10**7, n) for n in HOSTILE]),
    "no intervals": lambda: win_rate_bars([Bar(name, 0.5, None, None, 1) for name in NAMES]),
    "confusion": lambda: confusion(COUNTS, "PandaLM-7B-v1 on pandalm_human"),
    "hostile title": lambda: confusion(COUNTS, "$W\n" * 5000),
}


@pytest.fixture(params=FIGURES)
def make(request: pytest.FixtureRequest) -> Callable[[], Figure]:
    return FIGURES[request.param]


def _visible(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


def _extents(figure: Figure, artists: list[Text]) -> list[Bbox]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    with look():
        figure.draw_without_rendering()  # the axis label finds its place in drawing
        return [artist.get_window_extent(renderer) for artist in artists]


def _overlap(one: Bbox, other: Bbox) -> bool:
    common = Bbox.intersection(one, other)
    return common is not None and common.width > 0.5 and common.height > 0.5


def _boxes(figure: Figure) -> list[Bbox]:
    return [p.get_window_extent() for p in figure.findobj(FancyBboxPatch)]


def _drawn_text(figure: Figure) -> list[str]:
    return [text.get_text().replace(r"\$", "$") for text in _visible(figure)]


# What is on paper


def test_files(make: Callable[[], Figure], tmp_path: Path) -> None:
    figure = make()
    for suffix, magic in ((".svg", b"<?xml"), (".pdf", b"%PDF-"), (".PNG", b"\x89PNG\r\n\x1a\n")):
        path = tmp_path / f"figure{suffix}"
        write(figure, path)
        data = path.read_bytes()
        assert data.startswith(magic)
        # The same figure again, and the same data drawn again: not a byte differs.
        write(figure, path)
        assert path.read_bytes() == data
        write(make(), path)
        assert path.read_bytes() == data
        assert not re.search(rb"\b20\d\d-\d\d-\d\dT|CreationDate|[Mm]atplotlib v", data)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    with Image.open(tmp_path / "figure.PNG") as image:
        grey = np.asarray(image.convert("L"))
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert min(grey.shape) > 200
    assert 0.005 < (grey < 128).mean() < 0.5
    assert b"/TrueType" in (pdf := (tmp_path / "figure.pdf").read_bytes()) or b"/Type0" in pdf
    assert b"/Type3" not in pdf


def test_svg_has_the_names_as_text(tmp_path: Path) -> None:
    for key in ("order", "bars", "cycle"):
        write(FIGURES[key](), tmp_path / "figure.svg")
        tree = ET.fromstring((tmp_path / "figure.svg").read_text("utf-8"))
        # A name of two lines is two texts, one after the other.
        told = "".join("".join(e.itertext()).strip() for e in tree.iter() if e.tag.endswith("text"))
        for name in NAMES if key != "cycle" else NAMES[:5]:
            assert name in told


def test_greys_only(make: Callable[[], Figure], tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    write(make(), path)
    with Image.open(path) as image:
        red, green, blue = np.moveaxis(np.asarray(image.convert("RGB")).astype(int), 2, 0)
    assert (red == green).all()
    assert (green == blue).all()


def test_texts_overlap_nothing(make: Callable[[], Figure]) -> None:
    figure = make()
    texts = _visible(figure)
    extents = _extents(figure, texts)
    # Lines of one box may share the room between ascender and descender.
    boxes = _boxes(figure)
    homes = [next((b for b in boxes if _covers(b, extent)), None) for extent in extents]
    for i, j in itertools.combinations(range(len(texts)), 2):
        if homes[i] is None or homes[i] is not homes[j]:
            told = (texts[i].get_text(), texts[j].get_text())
            assert not _overlap(extents[i], extents[j]), told
    for text, extent in zip(texts, extents, strict=True):
        assert _covers(figure.bbox, extent), f"{text.get_text()!r} leaves the paper"
    assert figure.get_size_inches()[0] <= WIDEST + 1e-9
    assert {text.get_fontsize() for text in texts} <= {7.0, 8.0, 9.0}


def _covers(outer: Bbox, inner: Bbox) -> bool:
    return bool(
        inner.x0 >= outer.x0 - 0.5
        and inner.x1 <= outer.x1 + 0.5
        and inner.y0 >= outer.y0 - 0.5
        and inner.y1 <= outer.y1 + 0.5
    )


# Partial order


def _centres(figure: Figure) -> dict[str, tuple[float, float]]:
    """Middle of each candidate's box in inches from below, for names of one line."""
    found = {}
    boxes = _boxes(figure)
    texts = _visible(figure)
    for text, extent in zip(texts, _extents(figure, texts), strict=True):
        for box in boxes:
            if _covers(box, extent):
                found[text.get_text()] = ((box.x0 + box.x1) / 200, (box.y0 + box.y1) / 200)
    return found


def _arrows(figure: Figure) -> int:
    return sum(type(patch) is PathPatch for patch in figure.findobj(PathPatch))


def test_better_ones_above() -> None:
    figure = partial_order(list("dcba"), [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")], None)
    centres = _centres(figure)
    assert centres["a"][1] > centres["b"][1] > centres["c"][1]
    assert centres["a"][1] > centres["d"][1]
    assert _arrows(figure) == 3  # a > c follows from a > b > c
    assert not any("path only" in text for text in _drawn_text(figure))


def test_path_without_significance_is_told() -> None:
    figure = partial_order(list("abc"), [("a", "b"), ("b", "c")], None)
    assert "1 pair that is joined by a path only does not differ significantly." in _drawn_text(
        figure
    )


def test_none_significant_stand_side_by_side() -> None:
    figure = partial_order(list("abc"), [], {"a": 0.2, "b": 0.8})
    centres = _centres(figure)
    assert len({round(y, 6) for _, y in (centres[name] for name in "abc")}) == 1
    # By win rate, undefined last.
    assert sorted("abc", key=lambda name: centres[name]) == ["b", "a", "c"]
    assert {"No difference is significant.", ".800", ".200", "–"} <= set(_drawn_text(figure))


def test_without_difference_at_the_foot() -> None:
    figure = partial_order(list("abc"), [("a", "b")], None)
    centres = _centres(figure)
    assert centres["c"][1] < centres["b"][1]
    assert "no significant difference from any other candidate" in _drawn_text(figure)


def test_cycle_shares_a_dashed_box() -> None:
    cycle = [("a", "b"), ("b", "c"), ("c", "a")]
    figure = partial_order(list("abcxy"), [*cycle, ("x", "a"), ("c", "y")], None)
    boxes = figure.findobj(FancyBboxPatch)
    assert [box.get_linestyle() == "solid" for box in boxes].count(False) == 1
    assert len(boxes) == 3
    centres = _centres(figure)
    assert centres["x"][1] > centres["a"][1] == centres["b"][1] == centres["c"][1] > centres["y"][1]
    assert any("in a cycle" in text for text in _drawn_text(figure))


@pytest.mark.parametrize("edges", [[("a", "a")], [("a", "b"), ("b", "a")]])
def test_small_cycles(edges: list[tuple[str, str]]) -> None:
    assert len(_boxes(partial_order(["a", "b", "a"], edges, None))) == 3 - len(edges)


def test_order_of_edges_does_not_matter(tmp_path: Path) -> None:
    edges = _ordered(11, 0.17)
    pictures = []
    for seed in range(3):
        random.Random(seed).shuffle(edges)
        write(partial_order(NAMES[:11], edges, RATES), tmp_path / "figure.svg")
        pictures.append((tmp_path / "figure.svg").read_bytes())
    assert len(set(pictures)) == 1


def test_wrong_calls() -> None:
    with pytest.raises(InputError, match="no candidates"):
        partial_order([], [], None)
    with pytest.raises(ValueError, match=r"\['z'\]"):
        partial_order(["a"], [("a", "z")], None)
    with pytest.raises(InputError, match="no candidates"):
        win_rate_bars([])
    with pytest.raises(ValueError, match=r"'a' is no share: 62\.3"):
        win_rate_bars([Bar("a", 62.3, None, None, 1)])
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        confusion(COUNTS.T, "")
    with pytest.raises(ValueError, match="not negative"):
        confusion(-COUNTS, "")


_GRAPHS = st.integers(1, 15).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.floats(20, 102), st.floats(18, 48)), min_size=n, max_size=n),
        st.sets(
            st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]),
            max_size=2 * n,
        ),
    )
)


@settings(max_examples=60)
@given(_GRAPHS)
def test_layout(graph: tuple[list[tuple[float, float]], set[tuple[int, int]]]) -> None:
    sizes, edges = graph
    told = sorted(edges)
    apart = set(range(len(sizes))) - {box for edge in told for box in edge}
    layout = lay_out(sizes, told, apart, 490)
    boxes = [
        Bbox.from_bounds(x - w / 2, y - h / 2, w, h)
        for (x, y), (w, h) in zip(layout.centres, sizes, strict=True)
    ]
    paper = Bbox.from_bounds(0, 0, layout.width, layout.height)
    assert all(_covers(paper, box) for box in boxes)
    assert not any(_overlap(*pair) for pair in itertools.combinations(boxes, 2))
    for (upper, lower), route in zip(told, layout.routes, strict=True):
        assert boxes[upper].y1 < boxes[lower].y0
        assert route[0][1] == pytest.approx(boxes[upper].y1)
        assert route[-1][1] == pytest.approx(boxes[lower].y0)
        for stretch, (start, end) in enumerate(itertools.pairwise(route)):
            assert start[1] < end[1]
            # Past a row: straight, and through no box.
            if stretch % 2:
                assert start[0] == end[0]
                assert not any(
                    box.x0 < start[0] < box.x1 and box.y0 < end[1] and start[1] < box.y1
                    for box in boxes
                )


# Bars


def test_bars() -> None:
    rows = [
        *(Bar("b", 0.6234, 0.55, 0.69, 170, "1–2"), Bar("a", 1.0, None, 1.0, 3)),
        *(Bar("c", float("nan"), None, None, 0, "3"), Bar("d", 0.5, 0.4, float("nan"), 8, "3")),
    ]
    figure = win_rate_bars(rows)
    told = _drawn_text(figure)
    assert {"b", ".623", "170", "1–2", "a", "1.000", "–", ".500", "win rate", "n", "rank"} <= set(
        told
    )
    assert any("hollow: none" in text for text in told)
    [axes] = figure.axes
    found = _visible(figure)
    texts = dict(zip((t.get_text() for t in found), _extents(figure, found), strict=True))
    assert texts["b"].y0 > texts["a"].y0 > texts["c"].y0 > texts["d"].y0  # as given
    markers = [line for line in axes.lines if line.get_marker() == "o"]
    assert [(list(m.get_xdata()), m.get_markerfacecolor()) for m in markers] == [
        *(([0.6234], "0"), ([1.0], "1"), ([0.5], "1")),
    ]
    assert axes.get_xlim() == (0, 1)
    assert [0.5, 0.5] in [list(line.get_xdata()) for line in axes.lines]


def test_no_rank_column_without_groups() -> None:
    assert "rank" not in _drawn_text(win_rate_bars([Bar("a", 0.5, None, None, 1)]))


# Confusion


def test_confusion() -> None:
    figure = confusion(COUNTS, "Title")
    told = _drawn_text(figure)
    # 300 of 387 = .775…, 290 of 375 = .773…; no pair of gold tie, so no shares.
    assert {"Title", "300", ".78", "290", ".77", "n = 387", "n = 0", "–", "invalid"} <= set(told)
    assert told.count("–") == 4
    assert "Title" not in _drawn_text(confusion(COUNTS, " "))


@pytest.mark.parametrize("part", range(0, 101, 5))
def test_contrast_of_cells(part: int) -> None:
    """At least 4.5, as WCAG 2 asks of small text."""
    figure = confusion(np.array([[part, 100 - part, 0, 0]] * 3), "")
    cells = figure.findobj(lambda artist: type(artist) is Rectangle and artist.get_width() == 1)
    cells = [cell for cell in cells if cell.axes and cell is not cell.axes.patch]
    assert len(cells) == 12
    for cell in cells:
        inside = [
            text
            for text in cell.axes.texts
            if 0 < text.get_position()[0] - cell.get_x() < 1
            and 0 < text.get_position()[1] - cell.get_y() < 1
        ]
        assert len(inside) == 2
        for text in inside:
            one, other = sorted(
                _luminance(to_rgba(colour)[0])
                for colour in (cell.get_facecolor(), text.get_color())
            )
            assert (other + 0.05) / (one + 0.05) >= 4.5


def _luminance(grey: float) -> float:
    return grey / 12.92 if grey <= 0.04045 else ((grey + 0.055) / 1.055) ** 2.4


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
def test_any_names_are_drawn(names: list[str]) -> None:
    with look():
        for figure in (
            partial_order(names, list(itertools.pairwise(names)), dict.fromkeys(names, 0.5)),
            win_rate_bars(_bars(names)),
            confusion(COUNTS, names[0]),
        ):
            for format in ("svg", "pdf", "png"):
                figure.savefig(io.BytesIO(), format=format, dpi=50)


# Files


def test_other_suffix(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"figure\.jpg: .*\.svg, \.pdf, \.png"):
        write(FIGURES["one bar"](), tmp_path / "figure.jpg")
    assert SUFFIXES == (".svg", ".pdf", ".png")
    assert list(tmp_path.iterdir()) == []


def test_unwritable(tmp_path: Path) -> None:
    figure = FIGURES["one bar"]()
    for path in (tmp_path / "none" / "figure.svg", tmp_path / ("x" * 300 + ".png")):
        with pytest.raises(InputError, match=re.escape(str(path))):
            write(figure, path)
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(InputError, match=r"folder\.svg: cannot be written"):
        write(figure, tmp_path / "folder.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


@pytest.mark.parametrize(("suffix", "told"), [(".png", 1), (".pdf", 1), (".svg", 0)])
def test_missing_glyphs_are_told(
    suffix: str, told: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        write(win_rate_bars(_bars(["日本語"])), tmp_path / f"figure{suffix}")
    assert len(caplog.records) == told


@pytest.fixture
def own_style() -> Iterator[None]:
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "text.color": "blue"}):
        yield


@pytest.mark.usefixtures("own_style")
def test_own_matplotlibrc_changes_nothing(make: Callable[[], Figure], tmp_path: Path) -> None:
    write(make(), tmp_path / "one.svg")
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        write(make(), tmp_path / "other.svg")
    assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()
