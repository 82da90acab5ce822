"""Pages name what there is: commands are parsed, links lead somewhere, tables are whole."""

from __future__ import annotations

import dataclasses
import fnmatch
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
from pages import (
    CHOOSING,
    CONTRIBUTING,
    ON_THEIR_PAGES,
    PAGES,
    PARSED_ONLY,
    README,
    ROOT,
    SETTINGS,
    blocks,
    commands,
)

from pandalm_eval.cli import build_parser
from pandalm_eval.cli.run import refuse_mixed_metadata
from pandalm_eval.models import MODELS
from pandalm_eval.settings import KEYS, check_keys
from pandalm_eval.tasks_folder import task_files

COMMANDS = sorted({command for name in PAGES for command in commands(name)})


@pytest.mark.parametrize("name", PAGES)
def test_code_blocks_name_their_language(name: str) -> None:
    fences = re.findall(r"^```(.*)$", PAGES[name], re.MULTILINE)
    assert set(fences[::2]) <= {"bash", "bibtex", "json", "latex", "python", "text", "yaml"}
    assert set(fences[1::2]) <= {""}
    assert len(blocks(name)) == len(fences) / 2


def test_the_readme_is_short() -> None:
    assert len(PAGES[README].splitlines()) <= 260


def test_exceptions_are_all_needed() -> None:
    for start in PARSED_ONLY:
        assert any(command.startswith(start) for command in COMMANDS), start
    for start, page in ON_THEIR_PAGES.items():
        told = [command for command in commands(README) if command.startswith(start)]
        assert told
        assert set(told) <= set(commands(page))


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_parsed(command: str) -> None:
    words = shlex.split(command)
    training = [place for place, word in enumerate(words) if word.startswith("train_judge.")]
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif training:
        step = importlib.import_module(words[training[0]])
        assert step.build_parser().parse_args(words[training[0] + 1 :])
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
    for name in (*task_names(), *KEYS):
        assert f"| `{name}` |" in PAGES[SETTINGS]


def test_the_readme_names_every_page() -> None:
    for name in PAGES:
        assert name == README or f"]({name})" in PAGES[README], name


def test_layout_names_every_module() -> None:
    ours, training = (text for language, text in blocks(CONTRIBUTING) if language == "text")
    for package, tree in (("pandalm_eval", ours), ("train_judge", training)):
        for path in (ROOT / package).iterdir():
            if path.suffix in (".py", ".yaml") and not path.name.startswith("__"):
                assert re.search(rf"[ ─]{re.escape(path.name)}[ ,]", tree), path.name
            elif path.is_dir() and (path / "__init__.py").is_file():
                assert f"{path.name}/" in tree


def anchors(page: str) -> set[str]:
    """What a page's headings can be linked to by, as GitHub makes it."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    wrong = []
    folders = ("docs", "tasks", "results", "benchmarks")
    pages = [page for folder in folders for page in (ROOT / folder).rglob("*.md")]
    for page in [*ROOT.glob("*.md"), *pages]:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text("utf-8")):
            path, _, anchor = target.partition("#")
            aim = page.parent / path if path else page
            if not aim.exists() or (anchor and anchor not in anchors(aim.read_text("utf-8"))):
                wrong.append(f"{page.relative_to(ROOT)}: {target}")
    assert not wrong


def test_pictures_are_small() -> None:
    pictures = re.findall(r"!\[.+?\]\((\S+)\)", PAGES[README])
    assert pictures == ["docs/report.png", "docs/playground.png"]
    for target in pictures:
        assert (ROOT / target).stat().st_size < 150_000, target


def test_command_line_reference_is_fresh() -> None:
    subprocess.run([sys.executable, str(ROOT / "docs/make_cli.py"), "--check"], check=True)


def test_the_page_on_choosing_names_what_there_is() -> None:
    from pandalm_eval.search.choose import STRATEGIES
    from pandalm_eval.search.space import Space

    for name in STRATEGIES:
        assert f"| `{name}` " in PAGES[CHOOSING]
    for field in dataclasses.fields(Space):
        assert f"| `{field.name}` |" in PAGES[CHOOSING]
