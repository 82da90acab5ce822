"""The leaderboard's tables as files: the same board gives the same bytes."""

from __future__ import annotations

import html
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from pandalm_eval.errors import InputError
from pandalm_eval.leaderboard.board import BUILT, read_board
from pandalm_eval.leaderboard.check import CheckedBoard
from pandalm_eval.leaderboard.plain_text import NO_LINK, fault_of_link
from pandalm_eval.leaderboard.table import LeaderboardTable
from pandalm_eval.tables.render import render

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#!|~&$@]|:(?=//))")

_FIGURES = re.compile(r"[-–.,\d\[\] ]*")


def pages(checked: CheckedBoard, title: str) -> dict[str, str]:
    """{file name: content} of a board without faults."""
    table = LeaderboardTable.of(checked.submissions)
    made = {
        "leaderboard.md": markdown(table, title),
        "leaderboard.csv": render(table, "csv"),
        "leaderboard.tex": render(table, "latex"),
        "leaderboard.json": render(table, "json"),
        "index.html": page(table, title),
    }
    return {name: f"{text.rstrip()}\n" for name, text in made.items()}


def default_folder(board: Path) -> Path:
    """Where the pages go if nobody says."""
    return board / BUILT


def title_of(board: Path) -> str:
    """What the pages are called."""
    return read_board(board).title


def write(made: Mapping[str, str], folder: Path) -> None:
    """Write each file, whole or not at all; what has its content already is left alone.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in stale(made, folder):
            part = folder / f".{secrets.token_hex(8)}.part"
            try:
                part.write_text(made[name], "utf-8", newline="\n")
                os.replace(part, folder / name)  # noqa: PTH105 - Path.replace is the same, hidden
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from None


def stale(made: Mapping[str, str], folder: Path) -> list[str]:
    """The files that are missing, or have another content than they should."""
    return [
        name
        for name, text in made.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != text.encode()
    ]


def shown(cell: str) -> str:
    """A cell's text in Markdown: markup of a stranger's is shown, not obeyed.

    >>> print(shown("<b>[x](javascript:a)"), shown("https://example.org/a_b"), shown(".5 [.4]"))
    \\<b\\>\\[x\\](javascript:a) <https://example.org/a_b> .5 [.4]
    """
    if _is_link(cell):
        return f"<{cell}>"
    if _FIGURES.fullmatch(cell):
        return cell
    return _MARKUP.sub(r"\\\1", cell)


def _is_link(cell: str) -> bool:
    return cell != NO_LINK and fault_of_link(cell) is None


def markdown(table: LeaderboardTable, title: str) -> str:
    """A page with a heading for each pair set."""
    from tabulate import tabulate

    parts = [f"# {shown(title)}"]
    for name, section in zip(table.sets(), table.sections(), strict=True):
        rows = [{key: shown(cell) for key, cell in row.items()} for row in section]
        parts += [f"## {shown(name)}", tabulate(rows, "keys", "github", disable_numparse=True)]
    return "\n\n".join([*parts, *table.notes])


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem }}
div {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }}
</style>
<h1>{title}</h1>
{body}
</html>"""


def page(table: LeaderboardTable, title: str) -> str:
    """A page of its own: no script, nothing fetched, every cell escaped."""
    parts = []
    for name, section in zip(table.sets(), table.sections(), strict=True):
        parts += [f"<h2>{html.escape(name)}</h2>", f"<div>{_html_table(section)}</div>"]
    parts += [f"<p>{html.escape(note)}</p>" for note in table.notes]
    return _PAGE.format(title=html.escape(title), body="\n".join(parts))


def _html_table(section: list[dict[str, str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in section[0])
    rows = ["".join(f"<td>{_html_cell(cell)}</td>" for cell in row.values()) for row in section]
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def _html_cell(cell: str) -> str:
    told = html.escape(cell)
    return f'<a href="{told}" rel="nofollow noopener">{told}</a>' if _is_link(cell) else told
