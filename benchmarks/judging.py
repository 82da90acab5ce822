"""What a pair costs: upstream's way, the harness's stock ways and ours, against the limit.

All ways read the same pairs with the same weights, all those of a few prompts, as the tasks have
them, and take turns:

- upstream's way: one order, batch 1, 4 beams, early stopping, repetition penalty 1.2, up to 512 new
  tokens, through `hf-judge`;
- the harness's `hf`, both orders: `generate_until` of at most 8 tokens up to the first newline, and
  `loglikelihood` of the three verdicts, which is what `multiple_choice` asks for;
- ours, both orders: `hf-judge` with `--batch_size auto` under three protocols, and once without
  reading again alone what the rounding of a batch could turn.

The limit is what the arithmetic demands: 2 x parameters outside of the embeddings, for each token
that no other prompt of the run has at the same place after the same beginning, and attention, over
the best rate of bfloat16 matrix products that was seen between the turns.

    python benchmarks/judging.py --prompts 3 --file testset-v1.json
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from lm_eval.utils import simple_parse_args_string
from surroundings import in_turns, machine

from pandalm_eval.context import Context
from pandalm_eval.demo.__main__ import PAIRS, small_judge
from pandalm_eval.fitting import Shorten
from pandalm_eval.human import read_test_set
from pandalm_eval.judgments import Protocol
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.order_requests import OrderRequests, generation_arguments
from pandalm_eval.pairs import Pair, read_pairs
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.settings import Decoding, Settings

SEED = 2023
UPSTREAM = "upstream's way"
STOCK_ROWS = (1, 8)
STOCK = {
    "stock `generate_until`, 8 tokens": Protocol.VERDICT,
    "stock `multiple_choice`, 3 options": Protocol.LOGPROB,
}
OURS = {
    "`pandalm_human`": Protocol.FULL,
    "`pandalm_human_verdict`": Protocol.VERDICT,
    "`pandalm_human_logprob`": Protocol.LOGPROB,
}


def requests(
    pairs: Iterable[Pair], protocol: Protocol, decoding: Decoding, *, settles: bool
) -> list[Instance]:
    """The requests that the task makes of the pairs."""
    settings = Settings(protocol, PromptStyle.PANDALM, decoding, "human", None, None)
    orders = OrderRequests("benchmark", settings, Context({}), Shorten.RESPONSES)
    arguments: dict[str, Any] = {}
    if protocol is not Protocol.LOGPROB:
        arguments = generation_arguments(settings, settles=settles)
    return [
        request
        for number, pair in enumerate(pairs)
        for request in orders.build(
            {
                "id": pair.id,
                "instruction": pair.instruction,
                "input": pair.input,
                "response1": pair.response1,
                "response2": pair.response2,
            },
            orders.prompt_builder(None, None),
            arguments,
            ("benchmark", number, 1),
        )
    ]


def chosen(file: Path | None, prompts: int) -> list[Pair]:
    """All pairs of some prompts, drawn at random."""
    pairs = read_test_set(file) if file else read_pairs(PAIRS)
    known = sorted({pair.prompt_id for pair in pairs})
    drawn = set(random.Random(SEED).sample(known, min(prompts, len(known))))
    return [pair for pair in pairs if pair.prompt_id in drawn]


def ways(
    judge: HFJudge, plain: HFJudge, inexact: HFJudge, pairs: list[Pair]
) -> dict[str, Callable[[], Any]]:
    """From a way's name to what does it; each returns the answers."""
    greedy, beams = Decoding.GREEDY, Decoding.UPSTREAM
    single = requests(pairs, Protocol.SINGLE, beams, settles=True)
    found: dict[str, Callable[[], Any]] = {UPSTREAM: partial(plain.generate_until, single)}
    for rows in STOCK_ROWS:
        stock = HFLM(pretrained=judge.model, tokenizer=judge.tokenizer, batch_size=rows)
        for name, protocol in STOCK.items():
            asked = requests(pairs, protocol, greedy, settles=False)
            run = getattr(stock, asked[0].request_type)
            found[f"{name}, batch {rows}"] = partial(run, asked, disable_tqdm=True)
    for name, protocol in OURS.items():
        asked = requests(pairs, protocol, greedy, settles=True)
        found[name] = partial(getattr(judge, asked[0].request_type), asked)
    found[f"{name}, exact=False"] = partial(inexact.loglikelihood, asked)
    return found


def limit(judge: HFJudge, pairs: list[Pair]) -> tuple[int, int, float]:
    """Prompt tokens of both orders, those that differ, and the operations that these demand."""
    asked = requests(pairs, Protocol.VERDICT, Decoding.GREEDY, settles=True)
    rows = [judge.tokenizer(request.args[0])["input_ids"] for request in asked]
    depths = list(own_depths(rows))
    config = judge.model.config.get_text_config()
    width = config.hidden_size * config.num_hidden_layers
    return (
        sum(map(len, rows)),
        len(depths),
        # Two products of a query with all before it: its scores, and their values.
        sum(2 * _weights(judge.model) + 4 * width * (depth + 1) for depth in depths),
    )


def own_depths(rows: Sequence[Sequence[int]]) -> Iterable[int]:
    """Places of the tokens that no other row has after the same beginning, counted once each."""
    for before, row in pairwise([(), *sorted(rows)]):
        differ = (place for place, (a, b) in enumerate(zip(before, row, strict=False)) if a != b)
        yield from range(next(differ, min(len(before), len(row))), len(row))


def _weights(model: Any) -> int:
    """Parameters that every token meets: all but those of embeddings and of the output."""
    ends = {
        id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())
    }
    return sum(one.numel() for one in model.parameters() if id(one) not in ends)


def measure(
    model_args: str | None = None,
    *,
    file: Path | None = None,
    prompts: int = 3,
    repeats: int = 3,
    without: Sequence[str] = (),
) -> dict[str, Any]:
    """Measure every way, in seconds a pair.

    Args:
        model_args: of `hf-judge`; by default the demo's judge in bfloat16.
        file: the test set; by default the demo's pairs.
        prompts: how many, drawn at random, each with all its pairs.
        without: names of ways to leave out.
    """
    if model_args is None:
        gguf = small_judge()
        model_args = f"pretrained={gguf.parent},gguf_file={gguf.name},dtype=bfloat16"
    judge = HFJudge(**simple_parse_args_string(model_args), batch_size="auto")
    plain = HFJudge(**simple_parse_args_string(model_args), batch_size=1)
    inexact = HFJudge(**simple_parse_args_string(model_args), batch_size="auto", exact=False)
    logging.getLogger("lm_eval.models").setLevel(logging.ERROR)  # stock models take loaded weights
    pairs = chosen(file, prompts)
    every = {
        way: run for way, run in ways(judge, plain, inexact, pairs).items() if way not in without
    }
    for way, run in ways(judge, plain, inexact, pairs[:1]).items():
        if way in every and way != UPSTREAM:
            run()  # what only the first call pays
    clock, answers = in_turns(every, repeats)
    tokens, unique, operations = limit(judge, pairs)
    least = operations / clock.rate / len(pairs)
    return {
        "model": judge.name if file else Path(judge.name).name,
        "parameters": judge.model.num_parameters(),
        "dtype": str(judge.model.dtype).removeprefix("torch."),
        "pairs": len(pairs),
        "prompts": len({pair.prompt_id for pair in pairs}),
        "repeats": repeats,
        "prompt_tokens_a_pair": tokens / len(pairs),
        "unique_tokens_a_pair": unique / len(pairs),
        "gflop_a_pair": operations / len(pairs) / 1e9,
        "gflop_a_second": clock.rate / 1e9,
        "limit_s_a_pair": least,
        "ways": {
            way: {
                "orders": 1 if way == UPSTREAM else 2,
                "s_a_pair": clock.median(way) / len(pairs),
                "s_a_pair_span": [seconds / len(pairs) for seconds in clock.span(way)],
                "new_tokens_a_pair": _new_tokens(answers[way], len(pairs)),
                "share_of_limit": least * len(pairs) / clock.median(way),
            }
            for way in every
        },
    }


def _new_tokens(answers: Sequence[Any], pairs: int) -> float | None:
    """Mean of what was written for a pair; None where the backend does not tell or nothing was."""
    counts = [getattr(answer, "new_tokens", None) for answer in answers]
    return None if None in counts else sum(counts) / pairs


def markdown(found: dict[str, Any]) -> str:
    """The measurement as a table, with what its columns mean."""
    base = found["ways"].get(UPSTREAM)
    rows = []
    for way, one in found["ways"].items():
        seconds, (least, most) = one["s_a_pair"], one["s_a_pair_span"]
        new = "–" if one["new_tokens_a_pair"] is None else f"{one['new_tokens_a_pair']:.1f}"
        ratio = f"{base['s_a_pair'] / seconds:.1f}" if base else "–"
        rows.append(
            f"| {way} | {one['orders']} | {1 / seconds:.3g} | {one['orders'] / seconds:.3g} "
            f"| {seconds:.3g} ({least:.3g} to {most:.3g}) | {new} | {ratio} "
            f"| {one['share_of_limit']:.2f} |"
        )
    return f"""{found["model"]}, {found["parameters"] / 1e6:.1f}M parameters, {found["dtype"]}; \
{found["pairs"]} pairs, all those of {found["prompts"]} prompts; median (span) of \
{found["repeats"]} turns.

| way | orders | pairs/s | readings/s | s a pair | new tokens a pair | ratio | of the limit |
| --- | --- | --- | --- | --- | --- | --- | --- |
{chr(10).join(rows)}

Ratio: upstream's seconds a pair by the way's own. Of the limit: the least seconds by the way's own.
A pair has {found["prompt_tokens_a_pair"]:.0f} prompt tokens in its two orders, \
{found["unique_tokens_a_pair"]:.0f} that no other prompt shares, which demand \
{found["gflop_a_pair"]:.1f} GFLOP;
at {found["gflop_a_second"]:.0f} GFLOP/s, the best rate of a 2048³ product in bfloat16, \
{found["limit_s_a_pair"]:.3f} s."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--prompts", type=int, default=3, help="prompts, drawn at random")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each way")
    parser.add_argument("--file", type=Path, help="testset-v1.json; by default the demo's pairs")
    parser.add_argument("--model_args", help="of hf-judge; by default the demo's judge in bf16")
    parser.add_argument("--without", nargs="*", default=[], help="ways to leave out")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    found = measure(
        options.model_args,
        file=options.file,
        prompts=options.prompts,
        repeats=options.repeats,
        without=options.without,
    )
    print(json.dumps(machine() | found, indent=1) if options.json else markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
