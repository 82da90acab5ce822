"""What stands on a page of a report, read without a browser."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "input", "br", "link", "base", "img"}


class Page(HTMLParser):
    """What stands on a page: elements with their attributes, tables cell by cell.

    Attributes:
        elements: (tag, attributes) in order.
        tables: by id, rows of (text, data-order).
        problems: tags that do not close, or close what is not open.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[tuple[str, str | None]]]] = {}
        self.problems: list[str] = []
        self.blocks: dict[str, str] = {}
        self._open: list[str] = []
        self._table: str | None = None
        self._cell: list[str] | None = None
        self.feed(html)
        self.problems += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.elements.append((tag, told))
        if tag in VOID:
            return
        self._open.append(tag)
        if tag == "table":
            self._table = told.get("id")
            if self._table:
                self.tables[self._table] = []
        if self._table and tag == "tr":
            self.tables[self._table].append([])
        if self._table and tag in ("td", "th"):
            self._cell = []
            self._order = told.get("data-order")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"/{tag}")
        if self._cell is not None and tag in ("td", "th") and self._table:
            text = " ".join("".join(self._cell).split())
            self.tables[self._table][-1].append((text, self._order))
            self._cell = None
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)
        if self._open and self._open[-1] in ("script", "style", "title"):
            self.blocks[f"{self._open[-1]}{len(self.elements)}"] = data

    def script(self, kind: str | None) -> str:
        """The text of the script of a type."""
        (place,) = [
            number
            for number, (tag, told) in enumerate(self.elements, start=1)
            if tag == "script" and told.get("type") == kind
        ]
        return self.blocks[f"script{place}"]


def told(html: str) -> Any:
    """The data that the page's script reads."""
    return json.loads(Page(html).script("application/json"))
