"""The model card: what a training's result is, from which data, and how it was made."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from pandalm_eval import __version__
from train_judge.config import Config

_CARD = """---
{header}---

# {name}

{wording.what} Trained from `{base}` by pandalm_eval {version} (`train_judge`).

```bash
{wording.command}
```

## Data

{examples} examples of {prompts} prompts. {wording.data} SHA-256 of the file: `{digest}`.
The data card beside it has sources and licences; the weights are bound by them, and by the licence
of the base model.

## Training

```yaml
{config}```

{updates} updates in {processes} processes, {tokens} tokens. Share of examples that were
shortened: {shortened:.4f}. Software: {software}.

{validation}

## Limits

{wording.limits} Not for decisions with high stakes.
"""


@dataclass(frozen=True, slots=True)
class Wording:
    """What the card of one subject says, in sentences.

    Attributes:
        tag: for the hub.
        what: what the model does.
        command: how it is used.
        data: what else is to be said of its data.
        limits: what is not known of it.
    """

    tag: str
    what: str
    command: str
    data: str
    limits: str


def model_card(
    config: Config,
    wording: Wording,
    *,
    examples: int,
    prompts: int,
    digest: str,
    history: Sequence[Mapping[str, float]],
    updates: int,
    processes: int,
    tokens: int,
    validation: str | None,
) -> str:
    """Markdown with the hub's header.

    Args:
        examples, prompts, digest: of the file that was learnt.
        history: records as in `log.json`.
        validation: a sentence on it; None where there was none.
    """
    told = json.loads(json.dumps(asdict(config)))
    for key in ("train", "validation", "output"):  # where they stood here is nobody's business
        told[key] = told[key] and Path(told[key]).name
    if Path(config.pretrained).exists():
        told["pretrained"] = Path(config.pretrained).name
    base = told["pretrained"]
    header: dict[str, Any] = {
        "base_model": base,
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": [wording.tag, "pandalm"],
    }
    packages = ("torch", "transformers", "accelerate", "peft", "deepspeed")
    return _CARD.format(
        header=yaml.safe_dump(header, sort_keys=False),
        name=Path(config.output).name,
        wording=wording,
        base=base,
        version=__version__,
        examples=examples,
        prompts=prompts,
        digest=digest,
        config=yaml.safe_dump(told, sort_keys=False),
        updates=updates,
        processes=processes,
        tokens=tokens,
        shortened=_shortened(history),
        software=", ".join(f"{name} {version}" for name in packages if (version := _version(name))),
        validation=validation or "There was no validation set.",
    )


def _shortened(history: Sequence[Mapping[str, float]]) -> float:
    """Share of the examples, over all log records of equal weight."""
    shares = [record["shortened"] for record in history if "shortened" in record]
    return sum(shares) / max(len(shares), 1)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
