"""The pages that people read: their code blocks and commands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = "README.md"
TRAINING = "docs/training_a_judge.md"
CHOOSING = "docs/choosing_hyperparameters.md"
SETTINGS = "docs/tasks_and_settings.md"
CONTRIBUTING = "CONTRIBUTING.md"


def _by_hand() -> list[Path]:
    """All but `cli.md`, which is generated and compared with what generates it."""
    docs = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name != "cli.md")
    return [ROOT / README, ROOT / CONTRIBUTING, *docs]


PAGES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in _by_hand()}

PARSED_ONLY = (
    "make ",  # the target must exist
    "pip install ",
    "pandalm-eval data fetch pandalm",  # network
    "pandalm-eval link",  # both change the environment; tests of tasks_folder run them
    "pandalm-eval unlink",
    "pandalm-eval playground ",  # serves until it is interrupted
    "lm_eval run ",  # weights, as all below
    "torchrun ",
    "accelerate launch ",
    "deepspeed ",
    "pandalm-eval run --model hf ",
    "pandalm-eval run --model hf-judge ",
    "pandalm-eval run --model local-chat-completions ",
    "python -m train_judge.label pairs.jsonl ",  # a teacher
    "python -m train_judge.train --config train_judge/configs/",
)
"""How a command begins that is not run."""

ON_THEIR_PAGES = {"python -m train_judge.": TRAINING, "pandalm-eval search ": CHOOSING}
"""How commands of the README begin that take long; the page that has them, too, runs them."""


def blocks(name: str) -> list[tuple[str, str]]:
    """(language, content) of a page's code blocks."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", PAGES[name], re.MULTILINE | re.DOTALL)


def lines(content: str) -> list[str]:
    """The commands of a `bash` block, continued lines joined."""
    joined = content.replace("\\\n", " ").splitlines()
    return [" ".join(line.split()) for line in joined if line.strip()]


def commands(name: str) -> list[str]:
    """The commands of a page."""
    return [line for language, text in blocks(name) if language == "bash" for line in lines(text)]


def steps(name: str) -> list[tuple[str, str]]:
    """What of a page is run, in its order: ("bash", a command) and ("python", a block)."""
    elsewhere = tuple(ON_THEIR_PAGES) if name == README else ()
    found = []
    for language, content in blocks(name):
        texts = lines(content) if language == "bash" else [content]
        if language in ("bash", "python"):
            found += [(language, text) for text in texts if not text.startswith(PARSED_ONLY)]
    return [step for step in found if not step[1].startswith(elsewhere)]
