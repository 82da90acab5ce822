"""A drawing of `plots` as a part of the page, in the page's own colours.

The page allows no style attribute and matplotlib writes nothing else, so every style becomes an
attribute of its own. Ids get a prefix: several drawings stand on one page.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

from pandalm_eval.plots.write import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DRAWING = frozenset({"svg", "g", "path", "text", "tspan", "rect", "use", "defs", "clipPath"})
_COLOURS = {"#000000": "var(--ink)", "#ffffff": "var(--paper)", "#f0f0f0": "var(--band)"}
_GREYS = re.compile(r"#([0-9a-f]{2})\1\1")


def inline_svg(figure: Figure, prefix: str) -> Markup:
    """The figure as an `<svg>` element, to be hidden from screen readers and told in words.

    Args:
        prefix: of all ids, unique on the page.
    """
    root = ElementTree.fromstring(drawn(figure, ".svg", "the drawing"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.removeprefix(f"{{{_SVG}}}") not in _DRAWING:
                parent.remove(child)  # metadata, and a style element for line ends
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        _restyle(element)
        _rename(element, prefix)
    root.attrib.update({"aria-hidden": "true", "class": "drawing", "focusable": "false"})
    return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=True))


def _restyle(element: ElementTree.Element) -> None:
    for told in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in told.partition(":"))
        if name in ("fill", "stroke"):
            element.set(name, _colour(value))
        elif name and name != "font-family":  # the page's own
            element.set(name, value)
    if element.tag == "path" and "fill" not in element.attrib:
        element.set("fill", "var(--ink)")
    if element.tag == "text":
        element.set("fill", "var(--ink)")


def _colour(value: str) -> str:
    if value in _COLOURS:
        return _COLOURS[value]
    return "var(--muted)" if _GREYS.fullmatch(value) else value


def _rename(element: ElementTree.Element, prefix: str) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == _LINK:
            del element.attrib[name]
            element.set("href", f"#{prefix}-{value.removeprefix('#')}")
        elif value.startswith("url(#"):
            element.set(name, f"url(#{prefix}-{value.removeprefix('url(#')}")
