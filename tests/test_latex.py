"""LaTeX: every name compiles, and floats say what a reader must know."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pandalm_eval.cli import main
from pandalm_eval.errors import UsageError
from pandalm_eval.tables.captions import facts
from pandalm_eval.tables.latex import Float, escape, tabular

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "results/human/judgments_pandalm_human_single_PandaLM-7B.jsonl"
Capture = pytest.CaptureFixture[str]
HOSTILE = (
    "a_b%&$#{}~^\\",
    "[x]",
    "*",
    "--help",
    "\\input{/etc/passwd}",
    "a|b <c> 'd' \"e\" `f`",
    "line\nbreak\tand\x00nothing\u202e",
    "½ – — − … ¦",
    "é ü ß ł",
)


def printed(capsys: Capture, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["table", str(RUN), "--format", "latex", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b", r"a\_b"),
        ("50% & more", r"50\% \& more"),
        ("\\x{y}", r"\textbackslash{}x\{y\}"),
        ("[.1, .2]", "{[}.1, .2]"),
        (".5 [.1, .2]", ".5 [.1, .2]"),
        ("* a *", "{*} a *"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("1–2", "1--2"),
        ("a \n b\x07", "a b"),
    ],
)
def test_escape(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_bare_tables(capsys: Capture) -> None:
    text = printed(capsys)
    assert "\\caption" not in text
    assert text.startswith("\\begin{tabular}{lllllllllllll}\n\\toprule\njudge & source & ")
    assert re.search(r"^PandaLM-7B & run & single & human & \.6677 \[", text, re.MULTILINE)
    assert "\n% Intervals are 95%" in text


def test_floats(capsys: Capture) -> None:
    text = printed(capsys, "--label", "tab:judges")
    (caption,) = re.findall(r"^\\caption\{(.*)\}$", text, re.MULTILINE)
    assert caption == (
        "Judges against gold. Protocol: single. Gold: human. Macro and weighted F1 are over first, "
        "second and tie. n: 999 pairs of 170 prompts or other clusters. Invalid: 0 of 999 "
        "readings; an invalid verdict is wrong. Brackets are 95\\% intervals with the prompt as "
        "the sampling unit."
    )
    assert "\\label{tab:judges}" in text
    own = printed(capsys, "--label", "tab:judges", "--caption", "50% of {all}")
    assert "\\caption{50\\% of \\{all\\}}" in own


def test_floats_are_numbered(capsys: Capture) -> None:
    text = printed(capsys, "--kind", "models", "--label", "tab:models")
    labels = ["tab:models", "tab:models-2", "tab:models-3"]
    assert re.findall(r"\\label\{(.*)\}", text) == labels
    captions = re.findall(r"\\caption\{(.*?)\. Protocol", text)
    assert captions == [
        "Ranking by PandaLM-7B (single)",
        "Win rates, row against column, by PandaLM-7B (single)",
        "Contests by PandaLM-7B (single)",
    ]
    assert "Invalid: 0 of 999 judgments; an invalid verdict is outside the win rate." in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "latex", "--caption", "x"),
        ("--format", "markdown", "--label", "x"),
        ("--format", "latex", "--label", "}{"),
        ("--format", "latex", "--label", ""),
    ],
)
def test_usage(arguments: tuple[str, ...], capsys: Capture) -> None:
    assert main(["table", str(RUN), *arguments]) == 2
    assert capsys.readouterr().out == ""


def test_label_of_a_float() -> None:
    with pytest.raises(UsageError, match="make a label"):
        Float("a b")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], ""),
        ([{"source": "rule", "protocol": "any", "n_pairs": 3}], ""),
        ([{"protocol": "full", "n_pairs": 3.0}], "Protocol: full. n: 3 pairs."),
        (
            [{"n": 3, "n_prompts": 2, "invalid": 1}, {"n": 5, "n_prompts": 2, "invalid": 1}],
            "n: 3–5 pairs of 2 prompts or other clusters. Invalid: 2 of 8 judgments; an invalid "
            "verdict is outside the win rate.",
        ),
    ],
)
def test_facts(rows: list[dict[str, Any]], told: str) -> None:
    assert facts(rows) == told


DOCUMENT = r"""\documentclass[twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
%s
\end{document}
"""


@pytest.mark.slow
def test_everything_compiles(tmp_path: Path, capsys: Capture) -> None:
    """By a real LaTeX: bare tables, floats of every kind, hostile names."""
    if shutil.which("pdflatex") is None:
        pytest.skip(
            "no pdflatex: install texlive-latex-base and texlive-latex-recommended (Debian)"
        )
    section = [{"name": name, name: "x", "[1]": name} for name in HOSTILE]
    columns = dict.fromkeys(key for row in section for key in row)
    hostile = tabular([dict.fromkeys(columns, "–") | row for row in section])
    parts = [
        printed(capsys),
        printed(capsys, "--label", "tab:a"),
        printed(capsys, "--kind", "models", "--label", "tab:b"),
        hostile,
        Float("tab:c", "".join(HOSTILE)).around(hostile, "", 1),
        Path(ROOT / "results/leaderboard/leaderboard.tex").read_text("utf-8"),
    ]
    key = ROOT / "results/key"
    assert main(["table", str(key), "--kind", "domains", "--format", "latex", "--label", "d"]) == 0
    parts.append(capsys.readouterr().out)
    words = ["plot", str(RUN), "--kind", "win_rates", "-o", str(tmp_path / "figure.pdf")]
    assert main(words) == 0
    parts.append("\\includegraphics{figure.pdf}")
    (tmp_path / "tables.tex").write_text(DOCUMENT % "\n\n".join(parts), "utf-8")
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "tables"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Missing character" not in done.stdout
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
