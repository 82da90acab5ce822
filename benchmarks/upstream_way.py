"""What a pair costs: upstream's way against `pandalm_human_verdict`, same model, same run.

Upstream's way is one reading a pair: batch 1, 4 beams, early stopping, repetition penalty 1.2, up
to 512 new tokens. Ours reads both orders and stops once the verdict stands. Both go through
`hf-judge`, and the two take turns pair by pair, so that a machine whose speed drifts slows both.
Prints Markdown; the ratio is upstream's seconds by ours.

    python benchmarks/upstream_way.py --pairs 8 --model_args pretrained=FOLDER,dtype=float32
"""

from __future__ import annotations

import argparse
import platform
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
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.prompts import Fields, PromptStyle, render
from pandalm_eval.settings import Decoding, Settings
from pandalm_eval.task import generation_arguments

WAYS = {
    "upstream's way": (Protocol.SINGLE, Decoding.UPSTREAM),
    "pandalm_human_verdict": (Protocol.VERDICT, Decoding.GREEDY),
}


def requests(pair: Pair, protocol: Protocol, decoding: Decoding) -> list[Instance]:
    """The requests that the task makes of a pair."""
    settings = Settings(protocol, PromptStyle.PANDALM, decoding, "human", None, None)
    fields = Fields.clean(pair.instruction, pair.input, pair.response1, pair.response2)
    prompts = [render(PromptStyle.PANDALM, f) for f in (fields, fields.swapped())]
    return [
        Instance("generate_until", {"id": pair.id}, (prompt, generation_arguments(settings)), i)
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
    parser.add_argument("--pairs", type=int, default=8, help="pairs, spread evenly over the file")
    parser.add_argument("--file", type=Path, help="testset-v1.json; by default the demo's pairs")
    parser.add_argument("--model_args", help="of hf-judge; by default the demo's judge in fp32")
    options = parser.parse_args()
    if options.model_args is None:
        gguf = small_judge()
        options.model_args = f"pretrained={gguf.parent},gguf_file={gguf.name},dtype=float32"
    judge = HFJudge(**simple_parse_args_string(options.model_args), batch_size=1)
    pairs = read_test_set(options.file) if options.file else read_pairs(PAIRS)
    pairs = pairs[:: max(1, len(pairs) // options.pairs)][: options.pairs]
    timed(judge, requests(pairs[0], *WAYS["pandalm_human_verdict"]))  # warm-up
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    tokens: dict[str, list[int]] = {way: [] for way in WAYS}
    for pair in pairs:
        for way, (protocol, decoding) in WAYS.items():
            spent, new = timed(judge, requests(pair, protocol, decoding))
            seconds[way].append(spent)
            tokens[way].append(new)
            print(f"pair {pair.id}: {way} {spent:.2f} s, {new} new tokens", file=sys.stderr)
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"transformers {transformers.__version__}, {judge.model.dtype}, batch 1, "
        f"{len(pairs)} pairs\n\n"
        "| way | readings a pair | median s a pair | total s | new tokens a pair |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for way, (protocol, _) in WAYS.items():
        median, total = statistics.median(seconds[way]), sum(seconds[way])
        mean = statistics.mean(tokens[way])
        print(f"| {way} | {protocol.orders} | {median:.2f} | {total:.1f} | {mean:.1f} |")
    slow, fast = seconds.values()
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    print(
        f"\nRatio upstream's / ours: {sum(slow) / sum(fast):.1f} of the totals; median pair "
        f"{statistics.median(ratios):.1f}, from {min(ratios):.1f} to {max(ratios):.1f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
