"""Each page's commands are run in its order, where they need neither network nor weights."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import search_space
import tiny_judge
from pages import CHOOSING, PAGES, README, TRAINING, blocks, steps

from pandalm_eval.cli import main
from train_judge import steps as training

RUN = [name for name in PAGES if steps(name)]

EXAMPLES = {
    "docs/adding_a_domain.md": ("json", "cases.jsonl"),
    "docs/judging_your_pairs.md": ("json", "pairs.jsonl"),
    TRAINING: ("yaml", "judge.yaml"),
    CHOOSING: ("yaml", "space.yaml"),
}
"""A page's own example of a file that its commands read: its language, and the file."""

SMALLER = {
    TRAINING: [("learns: verdict", "learns: verdict\nbatch: 8\nepochs: 1")],
    CHOOSING: [
        ("train: train.jsonl", "train: train.jsonl\n  max_length: 256\n  batch: 8"),
        ("[2.0e-5, 2.0e-4]", "[2.0e-5]"),
        ("answers:\n", "answers:\n  max_new_tokens: 8\n"),
    ],
}
"""What is put into such an example to make it small."""

EXIT_CODES = {"pandalm-eval data verify pandalm": 1}
"""It compares with the released files, which the small ones are not."""

A_RUN = """run --model rule --model_args name=longest --tasks pandalm_human_verdict
    --output_path out --log_samples"""
"""The run `out` of the reader's own, which most pages take for granted."""


def test_most_pages_are_run() -> None:
    not_run = {"CONTRIBUTING.md", "docs/how_fast.md", "docs/reading_the_numbers.md"}
    assert set(PAGES) - set(RUN) == not_run


@pytest.fixture
def folder(
    tmp_path: Path,
    small_data: Path,
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A working folder that holds what pages take for granted."""
    recorded = [{"idx": row["idx"], "pandalm_result": row["annotator1"]} for row in rows]
    (small_data / "pandalm/pandalm-7b-testset-v1.json").write_text(json.dumps(recorded), "utf-8")
    pair = {"instruction": "Name the river.", "response1": "Seine", "response2": "Po", "label": 1}
    tiny_judge.write_lines(tmp_path / "pairs.jsonl", [pair, pair | {"input": "Italy", "label": 2}])
    answer_files(tmp_path, rows)
    search_files(tmp_path)
    preferences = {"first": 1, "second": 2, "tie": 1.5}
    annotations = [
        {
            "instruction": row["instruction"],
            "output_1": row["response1"],
            "output_2": row["response2"],
            "preference": preferences[row["verdict"]],
            "generator_1": "a",
            "generator_2": "b",
        }
        for row in tiny_judge.examples(60, seed=1)
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(annotations), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDALM_DATA", str(small_data))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


def answer_files(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Answers of three candidates to the prompts of the small test set."""
    for name, length in (("a", 3), ("b", 4), ("c", 2)):
        answers = [
            {"instruction": row["instruction"], "input": row["input"], "response": name * length}
            for row in rows[::3]
        ]
        for path in ("responses", "answers", "."):
            (folder / path).mkdir(exist_ok=True)
            (folder / path / f"{name}.json").write_text(json.dumps(answers), "utf-8")


def search_files(folder: Path) -> None:
    """What the space of a search names, and answers of candidates that were tuned elsewhere."""
    for seed, name in enumerate(("train", "validation", "held_out")):
        prompts = search_space.prompts(8, seed)
        tiny_judge.write_lines(folder / f"{name}.jsonl", prompts)
        for candidate, length in (("default", 3), ("other", 5)):
            path = folder / f"{name.replace('_', '-')}-answers" / f"{candidate}.jsonl"
            path.parent.mkdir(exist_ok=True)
            answers = [
                {
                    "instruction": prompt["instruction"],
                    "input": prompt["input"],
                    "response": candidate[0] * length,
                }
                for prompt in prompts
            ]
            tiny_judge.write_lines(path, answers)


def write_example(name: str, folder: Path) -> None:
    """The page's example as the file that its commands read, with a tiny model for the base."""
    language, file = EXAMPLES[name]
    (told,) = [content for kind, content in blocks(name) if kind == language]
    for old, new in SMALLER.get(name, []):
        assert old in told
        told = told.replace(old, new)
    if "pretrained: " in told:
        base = tiny_judge.make_base(folder / "base")
        told = re.sub(r"pretrained: \S+", f"pretrained: {base}", told)
    (folder / file).write_text(told, "utf-8")


@pytest.mark.parametrize("name", RUN)
def test_page_runs(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if name in EXAMPLES:
        write_example(name, folder)
    if not any("--output_path out " in text for _, text in steps(name)):
        assert main(shlex.split(A_RUN)) == 0
    capsys.readouterr()
    for language, text in steps(name):
        if language == "python":
            exec(text, {})
            assert "print(" not in text or capsys.readouterr().out.strip()
        else:
            check_command(text, folder, capsys)
    if name == README:
        assert "<table" in (folder / "report/index.html").read_text("utf-8")


def expanded(word: str) -> list[str]:
    """Files, where a shell would put them for the word."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def check_command(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends as it should, answers, and leaves the files that it names."""
    words = [one for word in shlex.split(command) for one in expanded(word)]
    if words[:2] == ["python", "-m"]:
        code = training.command(importlib.import_module(words[2]).main, words[3:])
        assert code == 0, f"{command}\n{capsys.readouterr().err[-2000:]}"
    else:
        assert words[0] == "pandalm-eval", command
        code = main(words[1:])
        out, err = capsys.readouterr()
        if "the judge chose the default itself" in err:  # there are two candidates, and it may
            code = main([*words[1:], "--baseline", "learning_rate-2e-05_epoch-1"])
            out, err = capsys.readouterr()
        assert code == EXIT_CODES.get(command, 0), f"{command}\n{err[-2000:]}"
        assert out.strip() or "--check" in words, command
        if words[1] == "table" and "json" in words:
            assert [row for row in json.loads(out)["rows"] if row.get("source", "run") == "run"]
    for flag in {"-o", "--output_path", "--use_cache"} & set(words):
        left = folder / words[words.index(flag) + 1]
        assert left.stat().st_size > 500 if left.is_file() else any(left.iterdir()), command
        if words[1] == "redact":
            texts = [path.read_bytes() for path in left.iterdir()]
            assert not any(b"Paris" in text for text in texts)
