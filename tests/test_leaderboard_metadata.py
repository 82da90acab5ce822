"""The leaderboard: what a submission says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from boards import Capture, told

from pandalm_eval.leaderboard.metadata import JudgeCard, MetadataError, Submission, dump, parse
from pandalm_eval.leaderboard.plain_text import fault_of_link, fault_of_text, same_name

# Metadata ------------------------------------------------------------------------------------

GOOD = """submitter: A
date: 2026-01-31
judges:
  x: {link: none, licence: MIT, training_data: unknown}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "are needed, as `key: value`"),
        ("- 1", "are needed, as `key: value`"),
        ("a: [", "is no valid YAML"),
        (GOOD + "submitter: B\n", "submitter stands there twice"),
        (GOOD + "score: 1\n", "unknown key 'score'"),
        (GOOD.replace("2026-01-31", "2026-02-31"), "date is no date"),
        (GOOD.replace("2026-01-31", "31.1.2026"), "date is no date"),
        (GOOD.replace("submitter: A\n", ""), "submitter is missing"),
        (GOOD.replace("link: none, ", ""), "judges: 'x': link is missing"),
        (GOOD.replace("none", "data:text/html,x"), "link is no link"),
        (GOOD.replace("none", '"https://a.org/\\" onclick=1"'), "link is no link"),
        (GOOD.replace("none", "'https://a.org/)[x](y'"), "link is no link"),
        (GOOD.replace("x:", '"a\\tb":'), "has an invisible character (U+0009)"),
        (GOOD.replace("x:", '"a\\u200bb":'), "has an invisible character (U+200B)"),
        (GOOD.replace("MIT", "[a]"), "licence is no text"),
        (GOOD.replace("MIT", "x" * 201), "has 201 characters; 200 is the most"),
        (GOOD.replace("submitter: A", "submitter: '=cmd()'"), "a spreadsheet would run"),
        (GOOD + "files: {a: b}\n", "files: {file name: 64 hexadecimal digits} is needed"),
        (GOOD + "files: {../a: b}\n", "files: {file name"),
        (GOOD + "other_files: [../a]\n", "other_files: a list of file names"),
        (GOOD.replace("A", "&a A") + "note: *a\n", "has an alias"),
        (GOOD + "note: !!python/object/apply:os.system [x]\n", "note is no text"),
        (GOOD + "#" + "x" * 2**16, "bytes; 65536 is the most"),
        ("[" * 5000, "is no valid YAML"),
    ],
)
def test_bad_metadata(text: str, message: str) -> None:
    with pytest.raises(MetadataError) as error:
        parse(text.encode())
    assert message in str(error.value)


def test_metadata_round_trip() -> None:
    found = Submission(
        submitter="a_b%&$#{}~^\\ <b>[x](y)</b> |",
        date="2026-01-31",
        judges={"no": JudgeCard("none", "1.0", "unknown"), "ß: 漢": JudgeCard("none", "a", "b")},
        other_files=("README.md",),
        files={"judgments_x.jsonl": "1" * 64},
    )
    assert parse(dump(found).encode()) == found


def test_markup_is_shown_as_text(board: Path, capsys: Capture) -> None:
    hostile = "<script>alert(1)</script> | [x](javascript:a) & `b` $c$ \\d"
    file = board / "rule-longest" / "submission.yaml"
    file.write_text(file.read_text("utf-8").replace("A group", hostile), "utf-8")
    assert told(capsys, "build", board)[0] == 0
    page = (board / "leaderboard/index.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    markdown = (board / "leaderboard/leaderboard.md").read_text("utf-8")
    assert "\\<script\\>alert(1)\\</script\\> \\| \\[x\\](javascript:a) \\& \\`b\\`" in markdown
    latex = (board / "leaderboard/leaderboard.tex").read_text("utf-8")
    assert "\\& \\textasciigrave{}b\\textasciigrave{} \\$c\\$ \\textbackslash{}d" in latex
    rows = json.loads((board / "leaderboard/leaderboard.json").read_text("utf-8"))["rows"]
    assert rows[0]["submitter"] == hostile


@pytest.mark.parametrize("text", ["", " a", "a\n", "a\u2028b", "\ud800", "+1", 7, None])
def test_texts_that_are_refused(text: object) -> None:
    assert fault_of_text(text) is not None


@pytest.mark.parametrize(
    "link", ["", "example.org", "ftp://a.org", "https://", "https://a b.org", "HTTPS://A.ORG", None]
)
def test_links_that_are_refused(link: object) -> None:
    assert fault_of_link(link) is not None


def test_same_names() -> None:
    assert same_name("Ｊudge 7B") == same_name("judge_7b")
    assert same_name("judge-7b") != same_name("judge-70b")
    assert same_name("漢") != same_name("字")
