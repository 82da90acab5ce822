"""What a pair costs: upstream's way against `pandalm_human_verdict`, same model, same run.

Upstream's way is one reading a pair: batch 1, 4 beams, early stopping, repetition penalty 1.2, up
to 512 new tokens. Ours reads both orders in batches, each beginning that prompts share once, and
stops once the verdict stands. Both go through `hf-judge` and read the same pairs: all those of a
few prompts, as the task has them. Ours is measured before and after upstream's, so that a machine
whose speed drifts shows it. Prints Markdown; the ratio is upstream's seconds by the mean of ours.

    python benchmarks/upstream_way.py --prompts 4 --file testset-v1.json
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers
from lm_eval.api.instance import Instance
from lm_eval.utils import simple_parse_args_string

from pandalm_eval.demo.__main__ import PAIRS, small_judge
from pandalm_eval.human import read_test_set
from pandalm_eval.judgments import Protocol
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.order_requests import generation_arguments
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.settings import Decoding, Settings

SEED = 2023
WAYS = {
    "upstream": (Protocol.SINGLE, Decoding.UPSTREAM),
    "ours": (Protocol.VERDICT, Decoding.GREEDY),
}


def requests(pair: Pair, protocol: Protocol, decoding: Decoding) -> list[Instance]:
    """The requests that the task makes of a pair."""
    settings = Settings(protocol, PromptStyle.PANDALM, decoding, "human", None, None)
    fields = Fields.clean(pair.instruction, pair.input, pair.response1, pair.response2)
    prompts = [render(PromptStyle.PANDALM, f) for f in (fields, fields.swapped())]
    return [
        Instance(
            "generate_until",
            {"id": pair.id},
            (prompt, generation_arguments(settings, settles=True)),
            i,
        )
        for i, prompt in enumerate(prompts[: protocol.orders])
    ]


def timed(judge: Any, own: list[Instance]) -> tuple[float, int]:
    """Seconds and new tokens of the requests."""
    start = time.perf_counter()
    texts = judge.generate_until(own)
    return time.perf_counter() - start, sum(text.new_tokens or 0 for text in texts)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=4, help="prompts, drawn at random")
    parser.add_argument("--file", type=Path, help="testset-v1.json; by default the demo's pairs")
    parser.add_argument("--model_args", help="of hf-judge; by default the demo's judge in bf16")
    options = parser.parse_args()
    if options.model_args is None:
        gguf = small_judge()
        options.model_args = f"pretrained={gguf.parent},gguf_file={gguf.name},dtype=bfloat16"
    judge = HFJudge(**simple_parse_args_string(options.model_args), batch_size="auto")
    pairs = read_test_set(options.file) if options.file else read_pairs(PAIRS)
    prompts = sorted({pair.prompt_id for pair in pairs})
    chosen = set(random.Random(SEED).sample(prompts, min(options.prompts, len(prompts))))
    pairs = [pair for pair in pairs if pair.prompt_id in chosen]

    def ours() -> tuple[float, int]:
        return timed(judge, [r for pair in pairs for r in requests(pair, *WAYS["ours"])])

    timed(judge, requests(pairs[0], *WAYS["ours"]))  # warm-up
    before = ours()
    upstream = [timed(judge, requests(pair, *WAYS["upstream"])) for pair in pairs]
    after = ours()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, {judge.model.dtype}, "
        f"{len(pairs)} pairs of {len(chosen)} prompts\n\n"
        "| way | readings a pair | s a pair | new tokens a pair |\n| --- | --- | --- | --- |"
    )
    slow = sum(seconds for seconds, _ in upstream)
    tokens = sum(new for _, new in upstream)
    rows = [
        ("upstream's way", 1, slow, tokens),
        ("pandalm_human_verdict, before", 2, *before),
        ("pandalm_human_verdict, after", 2, *after),
    ]
    for way, readings, seconds, new in rows:
        print(f"| {way} | {readings} | {seconds / len(pairs):.2f} | {new / len(pairs):.1f} |")
    single = [seconds for seconds, _ in upstream]
    ratio = slow / ((before[0] + after[0]) / 2)
    print(
        f"\nRatio upstream's / ours: {ratio:.1f}. Upstream's pairs took {min(single):.1f} to "
        f"{max(single):.1f} s, median {statistics.median(single):.1f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
