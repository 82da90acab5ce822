"""`table --kind domains`: judge by domain, beside rules and beside the human set."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_tables_classic import result as tuning
from test_tables_classic import sample

from pandalm_eval.cli import main
from pandalm_eval.cli.table import _PARTS
from pandalm_eval.columns import write_judgments
from pandalm_eval.errors import InputError
from pandalm_eval.judgments import Judgment, Protocol, Reading, RunName
from pandalm_eval.results import read_runs
from pandalm_eval.tables.domains import DomainsTable
from pandalm_eval.tables.judges import JudgesTable
from pandalm_eval.tables.render import render
from pandalm_eval.verdicts import Verdict

FIRST, SECOND, TIE, INVALID = Verdict


def judgment(
    index: int, gold: Verdict, told: Verdict, *, swapped: Verdict | None = None, cut: bool = False
) -> Judgment:
    doc = {
        "index": index,
        "id": str(index),
        "prompt_id": f"c{index // 2}",
        "text_hash": f"h{index}",
        "model1": None,
        "model2": None,
        "gold": gold.value,
        "annotators": [],
        "response1": "long one",
        "response2": "short",
    }
    readings = [Reading(told, truncated=cut), Reading(swapped or told, truncated=cut)]
    return Judgment.of(doc, Protocol.VERDICT, readings)


def run_file(
    folder: Path, task: str, told: list[Judgment], judge: str = "small", gold: str = "key"
) -> Path:
    name = RunName(task, judge, Protocol.VERDICT, "pandalm", "greedy", gold)
    path = folder / f"judgments_{task}_{judge}.jsonl"
    write_judgments(path, name, told)
    return path


LSAT = [
    judgment(0, FIRST, FIRST),
    judgment(1, SECOND, SECOND, cut=True),
    judgment(2, TIE, FIRST, swapped=SECOND),  # two verdicts are a tie: right
    judgment(3, FIRST, SECOND),
]
HUMAN = [judgment(i, FIRST, FIRST if i < 3 else INVALID) for i in range(4)]


def test_rows(tmp_path: Path) -> None:
    run_file(tmp_path, "pandalm_lsat", LSAT)
    run_file(tmp_path, "pandalm_human_verdict", HUMAN, gold="human")
    table = DomainsTable.of(read_runs([tmp_path]))
    judge = table.rows[0]
    assert (judge["domain"], judge["judge"], judge["source"]) == ("lsat", "small", "run")
    assert (judge["acc"], judge["n_pairs"], judge["n_prompts"]) == (3 / 4, 4, 2)
    assert (judge["position_consistency"], judge["invalid_rate"]) == (3 / 4, 0)
    assert (judge["n_truncated"], judge["truncated_rate"]) == (1, 2 / 8)
    # Gold first, second, tie, first; `longest` always says first here: 2 of 4.
    rules = {row["judge"]: row["acc"] for row in table.rows if row["source"] == "rule"}
    assert rules == {
        "rule: longest": 2 / 4,
        "rule: first": 2 / 4,
        "rule: second": 1 / 4,
        "rule: tie": 1 / 4,
    }
    (drop,) = table.drops
    assert (drop["acc_in"], drop["acc_out"], drop["acc_drop"]) == (3 / 4, 3 / 4, 0)
    # Right by cluster: 2 and 1 at home, 2 and 1 away, so each error is
    # sqrt(2 · 2 · .5²) / 4 = .25; both: .25 · sqrt(2).
    assert drop["acc_drop_stderr"] == pytest.approx(0.25 * 2**0.5)
    assert drop["acc_drop_ci_low"] <= 0 <= drop["acc_drop_ci_high"]
    assert drop["kappa_in"] == 0  # all gold is first: chance reaches what the judge does
    json.loads(render(table, "json"))
    text = render(table, "markdown")
    assert "| 1 of 4 pairs" in text
    assert "own design" in text
    assert "No drop" not in text


def test_domains_stand_in_their_order(tmp_path: Path) -> None:
    for task in ("pandalm_pubmedqa", "pandalm-lsat-rc", "pandalm_bioasq", "pandalm_lsat"):
        run_file(tmp_path, task, LSAT)
    table = DomainsTable.of(read_runs([tmp_path]))
    order = [row["domain"] for row in table.rows if row["source"] == "run"]
    assert order == ["lsat", "lsat-rc", "pubmedqa", "bioasq"]


@pytest.mark.parametrize("other", ["judge", "gold", "none"])
def test_without_the_human_set_there_is_no_drop(tmp_path: Path, other: str) -> None:
    run_file(tmp_path, "pandalm_lsat", LSAT)
    if other == "judge":
        run_file(tmp_path, "pandalm_human_verdict", HUMAN, "another", gold="human")
    elif other == "gold":
        run_file(tmp_path, "pandalm_human_verdict", HUMAN, gold="gpt-3.5-turbo")
    table = DomainsTable.of(read_runs([tmp_path]))
    assert table.drops == []
    assert "at hand: small (verdict, lsat)." in table.notes[-1]


def test_a_limited_run_is_said(tmp_path: Path) -> None:
    """The manifest that `redact` puts beside judgments tells; the whole human set has no note."""
    path = run_file(tmp_path, "pandalm_lsat", LSAT)
    human = run_file(tmp_path, "pandalm_human_verdict", HUMAN, gold="human")
    for file, whole in ((path, 1009), (human, 4)):
        task = file.name.removeprefix("judgments_").removesuffix("_small.jsonl")
        counts = {"n-samples": {task: {"effective": 4, "original": whole}}}
        manifest = file.name.replace("judgments", "manifest").replace("jsonl", "json")
        file.with_name(manifest).write_text(json.dumps(counts))
    for table in (DomainsTable.of(read_runs([tmp_path])), JudgesTable.of(read_runs([tmp_path]))):
        limited = [row for row in table.rows if "n_whole" in row]
        assert [(row["task"], row["n_judged"], row["n_whole"]) for row in limited] == [
            ("pandalm_lsat", 4, 1009)
        ]
        assert table.notes[0] == (
            "Limited (--limit or --samples): small (verdict, pandalm_lsat) 4 of 1009 pairs."
        )


def test_no_domain(tmp_path: Path) -> None:
    run_file(tmp_path, "pandalm_human_verdict", HUMAN, gold="human")
    with pytest.raises(
        InputError, match=r"no run is of a domain task .* there are pandalm_human_v"
    ):
        DomainsTable.of(read_runs([tmp_path]))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_file(tmp_path, "pandalm_lsat", LSAT)
    for format in ("markdown", "csv", "latex", "json"):
        assert main(["table", str(tmp_path), "--kind", "domains", "--format", format]) == 0
        assert "lsat" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["judges", "domains", "models", "classic"])
def test_every_part_of_the_json_can_be_had_as_csv(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "classic":
        paths = [tuning(tmp_path, name, {"cb": [sample(0, acc=1.0)]}) for name in ("a", "b")]
    else:
        told = [replace(one, model1="a", model2="b") for one in LSAT]
        for judge in ("small", "large"):
            run_file(tmp_path, "pandalm_lsat", told, judge)
            run_file(tmp_path, "pandalm_human_verdict", told, judge, gold="human")
        paths = [tmp_path]

    def printed(*flags: str) -> str:
        assert main(["table", *map(str, paths), "--kind", kind, *flags]) == 0
        return capsys.readouterr().out

    parts = {k: v for k, v in json.loads(printed("--format", "json")).items() if k != "notes"}
    assert tuple(parts) == _PARTS[kind]
    for part, rows in parts.items():
        lines = list(csv.DictReader(io.StringIO(printed("--format", "csv", "--part", part))))
        assert len(lines) == len(rows) > 0
        assert set(lines[0]) == {key for row in rows for key in row}
    assert printed("--format", "csv") == printed("--format", "csv", "--part", "rows")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--format", "csv", "--part", "ranking"], "has no part 'ranking'; it has rows, drops."),
        (["--part", "drops"], "--part drops is for --format csv; markdown prints every part."),
        (["--format", "csv", "--part", "matrix"], "invalid choice: 'matrix'"),
    ],
)
def test_wrong_part(
    flags: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_file(tmp_path, "pandalm_lsat", LSAT)
    try:
        code = main(["table", str(tmp_path), "--kind", "domains", *flags])
    except SystemExit as exit:
        code = int(exit.code or 0)
    assert code == 2
    assert said in capsys.readouterr().err
