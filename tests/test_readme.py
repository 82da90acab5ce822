"""Every command of the README is run where it needs neither network nor weights, else parsed."""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import search_space
import tiny_judge

from pandalm_eval.cli import build_parser, main
from pandalm_eval.cli.run import refuse_mixed_metadata
from pandalm_eval.models import MODELS
from pandalm_eval.settings import KEYS, check_keys
from pandalm_eval.tasks_folder import task_files
from train_judge import steps

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")

PARSED_ONLY = (
    "make ",  # the target must exist
    "pip install ",
    "pandalm-eval data fetch pandalm",  # network
    "pandalm-eval link",  # both change the environment; tests of tasks_folder run them
    "pandalm-eval unlink",
    "lm_eval run ",  # weights, as all below
    "torchrun ",
    "pandalm-eval playground ",  # serves until it is interrupted
    "pandalm-eval run --model hf ",
    "pandalm-eval run --model hf-judge ",
    "pandalm-eval run --model local-chat-completions ",
)
"""How a command begins that is not run here."""


def commands(page: str = README) -> list[str]:
    """The command lines of a page's `bash` blocks in order, continued lines joined."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


TRAINING = [command for command in commands() if command.startswith("python -m train_judge.")]
SEARCH = [command for command in commands() if command.startswith("pandalm-eval search ")]
RUN = [c for c in commands() if not c.startswith(PARSED_ONLY) and c not in TRAINING + SEARCH]
PARSED = [command for command in commands() if command.startswith(PARSED_ONLY)]


def test_code_blocks_name_their_language() -> None:
    fences = re.findall(r"^```(.*)$", README, re.MULTILINE)
    assert set(fences[::2]) == {"bash", "json", "text", "bibtex", "python", "yaml"}
    assert set(fences[1::2]) == {""}


def test_exceptions_are_all_needed() -> None:
    assert len(RUN) >= 8
    for start in PARSED_ONLY:
        assert any(command.startswith(start) for command in PARSED), start


DOCS = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "cli.md")
"""Pages written by hand; `cli.md` is generated, and compared with what generates it."""


@pytest.mark.parametrize(
    "command", sorted({*PARSED, *(c for page in DOCS for c in commands(page.read_text("utf-8")))})
)
def test_command_is_parsed(command: str) -> None:
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[:2] == ["lm_eval", "run"]:
        check_run(words[2:])
    elif words[0] == "torchrun":
        place = words.index("-m")
        assert words[1:place] == ["--nproc_per_node", "2"]
        assert words[place : place + 3] == ["-m", "pandalm_eval", "run"]
        check_run(words[place + 3 :])
    elif words[:2] == ["pandalm-eval", "run"]:
        check_run(words[2:])
    elif words[0] == "pandalm-eval":
        assert callable(build_parser().parse_args(words[1:]).handler)
    else:
        assert words in (["pip", "install", "."], ["pip", "install", ".[playground]"])


def check_run(words: list[str]) -> None:
    """The harness's parser takes the flags; tasks, model, its arguments and metadata exist."""
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval.api.registry import get_model

    from pandalm_eval.models.hf_judge import HFJudge

    refuse_mixed_metadata(words)
    parsed: Any = HarnessCLI()._parser.parse_args(["run", *words])
    names = task_names()
    for task in parsed.tasks:
        assert fnmatch.filter(names, task), task
    metadata = parsed.__dict__.get("metadata") or {}
    check_keys(metadata)
    assert set(metadata) <= set(KEYS)
    if parsed.model == "hf-judge":
        assert set(parsed.model_args) <= set(inspect.signature(HFJudge.__init__).parameters)
    elif parsed.model not in MODELS:
        assert inspect.isclass(get_model(parsed.model))


def task_names() -> list[str]:
    """Names of our tasks."""
    texts = [path.read_text("utf-8") for path in task_files()]
    return [found[1] for text in texts if (found := re.search(r"^task: (\S+)$", text, re.M))]


def test_tables_name_every_task_and_key() -> None:
    for name in task_names():
        assert f"| `{name}` |" in README
    for key in KEYS:
        assert f"`{key}`" in README


def test_layout_names_every_module() -> None:
    tree = README.partition("## Layout")[2].partition("## Limitations")[0]
    for path in (ROOT / "pandalm_eval").iterdir():
        if path.suffix in (".py", ".yaml") and not path.name.startswith("__"):
            assert re.search(rf"\b{path.name}\b", tree), path.name
        elif path.is_dir() and (path / "__init__.py").is_file():
            assert f"{path.name}/" in tree


def test_links_to_files_lead_somewhere() -> None:
    for page in (ROOT / "README.md", PAGE, *DOCS, *(ROOT / "tasks").rglob("README.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_command_line_reference_is_fresh() -> None:
    import subprocess
    import sys

    subprocess.run([sys.executable, str(ROOT / "docs/make_cli.py"), "--check"], check=True)


@pytest.fixture
def folder(
    tmp_path: Path,
    small_data: Path,
    rows: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A working folder that holds what the README's commands name."""
    recorded = [{"idx": row["idx"], "pandalm_result": row["annotator1"]} for row in rows]
    (small_data / "pandalm/pandalm-7b-testset-v1.json").write_text(json.dumps(recorded), "utf-8")
    example = re.search(r"^```json\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example is not None
    pair = json.loads(example[1])
    pairs = [pair, pair | {"instruction": "Name the river.", "label": "tie"}]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(p)}\n" for p in pairs), "utf-8")
    for name, length in (("a", 3), ("b", 4), ("c", 2)):
        answers = [
            {"instruction": row["instruction"], "input": row["input"], "response": name * length}
            for row in rows[::3]
        ]
        for path in (tmp_path / "responses" / f"{name}.json", tmp_path / f"{name}.json"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(answers), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDALM_DATA", str(small_data))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path


# `data verify` compares with the released files, which the small ones are not.
_EXIT_CODES = {"pandalm-eval data verify pandalm": 1}


def test_commands_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs come first: the README's first table is of a run on weights, which is not run here."""
    for command in sorted(RUN, key=_stage):
        words = shlex.split(command)
        assert words[0] == "pandalm-eval", command
        code = main(words[1:])
        out, err = capsys.readouterr()
        assert code == _EXIT_CODES.get(command, 0), f"{command}\n{err[-2000:]}"
        assert out.strip(), command
        if words[1] == "table" and "json" in words:
            assert [row for row in json.loads(out)["rows"] if row.get("source", "run") == "run"]
    assert (folder / "answers.sqlite").is_file()
    assert "<table" in (folder / "report/index.html").read_text("utf-8")
    for picture in ("order.svg", "win_rates.pdf", "confusion.png"):
        assert (folder / picture).stat().st_size > 1000
    printed = []
    for block in re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        exec(block, {})
        printed.append(capsys.readouterr().out)
    compared, framed = printed
    assert "| b " in compared
    assert "tie" in framed
    assert not [text for text in _published(folder) if "Paris" in text]


def test_training_commands_run(folder: Path) -> None:
    """From annotations to a judge, with the README's own configuration but for the base model."""
    rows = tiny_judge.examples(60, seed=1)
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
        for row in rows
    ]
    (folder / "annotations.json").write_text(json.dumps(annotations), "utf-8")
    base = tiny_judge.make_base(folder / "base")
    example = re.search(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert example is not None
    told = re.sub(r"pretrained: \S+", f"pretrained: {base}", example[1])
    (folder / "judge.yaml").write_text(f"{told}batch: 8\nepochs: 1\n", "utf-8")
    assert len(TRAINING) == 4
    for command in TRAINING:
        words = shlex.split(command)
        step = importlib.import_module(words[2])
        assert steps.command(step.main, words[3:]) == 0, command
    assert (folder / "my-judge" / "model.safetensors").is_file()


def test_search_commands_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a space to a report, with the README's own space but for the base model and its size."""
    base = tiny_judge.make_base(tmp_path / "base")
    example = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1]
    told = re.sub(r"pretrained: \S+", f"pretrained: {base}\n  max_length: 256\n  batch: 8", example)
    told = told.replace("learning_rate: [2.0e-5, 2.0e-4]", "learning_rate: [2.0e-5]")
    told = told.replace("answers:\n", "answers:\n  max_new_tokens: 8\n")
    (tmp_path / "space.yaml").write_text(told, "utf-8")
    for seed, name in enumerate(("train", "validation", "held_out")):
        search_space.write_lines(tmp_path / f"{name}.jsonl", search_space.prompts(8, seed))
    monkeypatch.chdir(tmp_path)
    verbs = [shlex.split(command)[2] for command in SEARCH]
    assert verbs == ["init", "run", "choose", "confirm", "report"]
    for command in SEARCH:
        code = main(shlex.split(command)[1:])
        out, err = capsys.readouterr()
        if "the judge chose the default itself" in err:  # there are two, and it may
            command += " --baseline learning_rate-2e-05_epoch-1"
            code = main(shlex.split(command)[1:])
            out, err = capsys.readouterr()
        assert code == 0, f"{command}\n{err[-2000:]}"
        assert out.strip(), command


PAGE = ROOT / "train_judge" / "README.md"
CHOOSING = ROOT / "docs" / "choosing_hyperparameters.md"


def test_the_page_on_choosing_names_what_there_is() -> None:
    from pandalm_eval.search.choose import STRATEGIES
    from pandalm_eval.search.space import Space

    page = CHOOSING.read_text("utf-8")
    for name in STRATEGIES:
        assert f"| `{name}` " in page
    for field in dataclasses.fields(Space):
        assert f"| `{field.name}` |" in page


def test_the_page_on_training_names_what_there_is() -> None:
    page = PAGE.read_text("utf-8")
    for path in (ROOT / "train_judge").iterdir():
        if path.suffix == ".py" and not path.name.startswith("__"):
            assert re.search(rf"^[├└]── {path.name} ", page, re.MULTILINE), path.name
    for block in re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line)
            place = next(i for i, word in enumerate(words) if word.startswith("train_judge."))
            importlib.import_module(words[place]).build_parser().parse_args(words[place + 1 :])


def _stage(command: str) -> int:
    """Runs before what reads them; otherwise the README's order (sorting is stable)."""
    later = ("table", "plot", "report", "leaderboard", "cite")
    stages = {"run": 0, "redact": 1, **dict.fromkeys(later, 2)}
    return stages.get(shlex.split(command)[1], 0)


def _published(folder: Path) -> list[str]:
    files = sorted((folder / "published").iterdir())
    assert files
    return [path.read_text("utf-8") for path in files]
