"""Runs with text as the harness leaves them, made up, for tests and benchmarks of the page."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pandalm_eval.order_requests import fields_of
from pandalm_eval.prompts import PromptStyle, render

TASK = "pandalm-pairs"
WHEN = "2026-01-02T03-04-05.678901"

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "<svg onload=window.hacked=1>",
    "<!--<script>",
    "--><b>bold</b>",
    "]]>",
    "<style>*{display:none}</style>",
    "<iframe src=https://example.com></iframe>",
    "<base href=https://example.com/>",
    "<meta http-equiv=refresh content='0;url=https://example.com'>",
    "<a href='javascript:window.hacked=1'>click</a>",
    "<form action=https://example.com><button autofocus onfocus=window.hacked=1>",
    '" autofocus onfocus="window.hacked=1',
    "' onmouseover='window.hacked=1",
    "javascript:window.hacked=1",
    "`${window.hacked=1}`",
    "{{ 7 * 7 }}{% include 'page.html' %}",
    "&lt;b&gt; &amp; &#x3c;",
    "\\u003c/script\\u003e",
    "abc\u202egnp.exe\u2066",
    "line\u2028paragraph\u2029end",
    "\x00\x07\x1b[31mred\x9b",
    "\ud800 alone",
    "tag\U000e0041\U000e0042",
    "\u200bzero\ufeffwidth\u00ad",
    "z" + "\u0301" * 300,
    "w" * 20_000,
    "__proto__",
    "constructor",
    "#judgment/../%00",
    "מה שלומך؟ \u0645",
    "windows\r\nline\rend",
)
"""Each is to be shown and to do nothing."""


def pair(index: int, **told: Any) -> dict[str, Any]:
    """A task's document; three pairs share a prompt."""
    prompt = index // 3
    return {
        "index": index,
        "id": str(index),
        "prompt_id": f"p{prompt}",
        "text_hash": f"hash{index}",
        "model1": "alpha",
        "model2": "beta",
        "gold": ("first", "second", "tie")[index % 3],
        "annotators": [],
        "instruction": f"Count to {prompt}.",
        "input": "" if prompt % 2 else f"Start at {prompt % 7}, and do not stop before the end.",
        "response1": f"One, two and so on, up to {index}.",
        "response2": f"Up to {index}.",
    } | told


def sample(doc: Mapping[str, Any], *replies: str) -> dict[str, Any]:
    """A line of a samples file: the replies of both orders, "1" and "2" told as shown."""
    told = [{"1": "first", "2": "second", "Tie": "tie"}.get(reply[:3].strip()) for reply in replies]
    if len(told) == 2:
        told[1] = {"first": "second", "second": "first"}.get(str(told[1]), told[1])
    readings = [
        {"verdict": verdict} if verdict else {"verdict": "invalid", "reason": "no_verdict"}
        for verdict in told
    ]
    fields = fields_of(doc)
    prompts = [render(PromptStyle.PANDALM, one) for one in (fields, fields.swapped())]
    return {
        "doc_id": doc["index"],
        "doc": dict(doc),
        "arguments": {
            f"gen_args_{number}": {"arg_0": prompt, "arg_1": {"until": ["\n"]}}
            for number, prompt in enumerate(prompts[: len(replies)])
        },
        "resps": [[reply] for reply in replies],
        "filtered_resps": [json.dumps(reading) for reading in readings],
        "filter": "none",
    }


def write_run(
    folder: Path,
    samples: Iterable[Mapping[str, Any]],
    judge: str = "judge",
    task: str = TASK,
    **arguments: Any,
) -> Path:
    """Write `results_*.json` and `samples_*.jsonl` of a run; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{WHEN}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        count = 0
        for line in samples:
            file.write(json.dumps(line) + "\n")
            count += 1
    metadata = {"protocol": "verdict", "prompt": "pandalm", "decoding": "greedy", "gold": "human"}
    results = {
        "results": {task: {"n_pairs,none": count}},
        "configs": {task: {"metadata": metadata}},
        "versions": {task: 1.0},
        "n-shot": {task: 0},
        "n-samples": {task: {"original": count, "effective": count}},
        "config": {"model": "hf", "model_args": {"name": judge} | arguments},
        "date": 1_767_323_045.0,
        "git_hash": "abcdef0",
        "total_evaluation_time_seconds": "12.5",
    }
    (folder / f"results_{WHEN}.json").write_text(json.dumps(results), "utf-8")
    return folder


def small(folder: Path, judge: str = "judge") -> Path:
    """30 pairs: agreement, changed verdicts, ties and invalid ones in turn."""
    replies = (("1", "2"), ("1", "1"), ("Tie", "Tie"), ("2", "1"), ("hm", "1"), ("2", "2"))
    return write_run(
        folder, (sample(pair(i), *replies[i % len(replies)]) for i in range(30)), judge
    )


HOSTILE_SAMPLES = [
    sample(
        pair(
            number,
            id=f"{number}{text[:300]}",
            model1=text,
            model2=f"other {text}",
            instruction=text,
            input=text,
            response1=text,
            response2=f"{text} {text}",
        ),
        f"1 {text}",
        f"hm {text}",
    )
    for number, text in enumerate(HOSTILE)
]
"""A pair for each hostile text, in every place where a text can stand."""


def hostile(folder: Path) -> Path:
    """A run of them, by a judge with hostile names and arguments."""
    return write_run(
        folder, HOSTILE_SAMPLES, judge="".join(HOSTILE[:20]), note="".join(HOSTILE[:25])
    )


_WORDS = [
    "river",
    "stone",
    "lamp",
    "copper",
    "seven",
    "quiet",
    "north",
    "paper",
    "engine",
    "garden",
    "salt",
    "window",
]


def large(folder: Path, count: int, words: int = 80, seed: int = 1) -> Path:
    """Many pairs of long responses between five models; every prompt is of ten pairs."""
    rng = random.Random(seed)

    def text(length: int) -> str:
        return " ".join(rng.choices(_WORDS, k=length))

    def samples() -> Iterable[dict[str, Any]]:
        prompt = ""
        for index in range(count):
            prompt = text(words // 2) if index % 10 == 0 else prompt
            models = sorted(rng.sample("abcde", 2))
            doc = pair(
                index,
                prompt_id=f"p{index // 10}",
                model1=f"model-{models[0]}",
                model2=f"model-{models[1]}",
                instruction=prompt,
                input="",
                response1=text(words),
                response2=text(words),
            )
            replies = [f"{rng.choice(('1', '2', 'Tie', 'hm'))} {text(words // 4)}" for _ in "12"]
            yield sample(doc, *replies)

    return write_run(folder, samples())
