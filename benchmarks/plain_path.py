"""Whether hf-judge's batches say what the plain path says, on every pair of the test set.

The plain path is transformers' own: `generate` on each prompt alone, and one pass over each prompt
with a verdict behind it. Verdicts of each order and of each pair, and probabilities, are compared
with those of `--batch_size auto`. Prints Markdown.

    python benchmarks/plain_path.py testset-v1.json --model_args pretrained=FOLDER,dtype=bfloat16
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

import torch
from judging import requests
from lm_eval.api.instance import Instance
from lm_eval.utils import simple_parse_args_string
from more_itertools import batched
from tqdm import tqdm

from pandalm_eval.human import read_test_set
from pandalm_eval.judgments import Protocol, Reading, read_logprobs, read_text, resolve
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.models.tokens import Encoder
from pandalm_eval.settings import Decoding
from pandalm_eval.verdicts import Verdict


def generated(judge: HFJudge, asked: list[Instance]) -> list[str]:
    """What `generate` writes after each prompt, up to the first newline."""
    texts = []
    for request in tqdm(asked, desc="plain, generating"):
        prompt, arguments = request.args
        ids = torch.tensor([judge.tokenizer(prompt)["input_ids"]])
        made = judge.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=arguments["max_gen_toks"],
            do_sample=False,
            pad_token_id=judge.tokenizer.eos_token_id,
        )
        text = judge.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        texts.append(text.split("\n")[0])
    return texts


@torch.inference_mode()
def scored(judge: HFJudge, asked: list[Instance]) -> list[float]:
    """Log-probability of each verdict after its prompt; three follow each other for a prompt."""
    encoder, values = Encoder(judge.tokenizer), []
    for place in tqdm(range(0, len(asked), 3), desc="plain, scoring"):
        prompt = asked[place].args[0]
        ids = encoder.prompt(prompt)
        ends = [encoder.continuation(prompt, ids, one.args[1]) for one in asked[place : place + 3]]
        read: dict[tuple[int, ...], torch.Tensor] = {}  # verdicts of one token share a pass
        for end in ends:
            before = tuple(end[:-1])
            if before not in read:
                logits = judge.model(torch.tensor([[*ids, *before]])).logits[0, len(ids) - 1 :]
                read[before] = torch.log_softmax(logits.float(), dim=-1)
            values.append(sum(float(read[before][step, token]) for step, token in enumerate(end)))
    return values


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", type=Path, help="testset-v1.json")
    parser.add_argument("--model_args", required=True, help="of hf-judge")
    parser.add_argument("--pairs", type=int, help="only the first so many")
    parser.add_argument("--protocols", nargs="*", default=["verdict", "logprob"])
    options = parser.parse_args()
    pairs = read_test_set(options.file)[: options.pairs]
    judge = HFJudge(**simple_parse_args_string(options.model_args), batch_size="auto")
    print(f"{judge.name}, {judge.model.dtype}, {len(pairs)} pairs in both orders.\n")

    if "verdict" in options.protocols:
        asked = requests(pairs, Protocol.VERDICT, Decoding.GREEDY, settles=True)
        ours = [str(text) for text in judge.generate_until(asked)]
        _compare(Protocol.VERDICT, _read_texts(ours), _read_texts(generated(judge, asked)))
    if "logprob" in options.protocols:
        asked = requests(pairs, Protocol.LOGPROB, Decoding.GREEDY, settles=True)
        values = [value for value, _ in judge.loglikelihood(asked)]
        ours, plain = _read_scores(values), _read_scores(scored(judge, asked))
        _compare(Protocol.LOGPROB, ours, plain)
        apart = [
            max(
                abs(a - b)
                for a, b in zip(one.probabilities or (), other.probabilities or (), strict=True)
            )
            for pair, same in zip(ours, plain, strict=True)
            for one, other in zip(pair, same, strict=True)
        ]
        print(
            f"Probabilities of a reading differ by {statistics.median(apart):.2g} (median), "
            f"{max(apart):.2g} (at most); {sum(x > 0 for x in apart)} of {len(apart)} do at all."
        )
    return 0


def _read_texts(texts: list[str]) -> list[list[Reading]]:
    """The two readings of each pair."""
    return [
        [read_text(forward, swapped=False), read_text(swapped, swapped=True)]
        for forward, swapped in batched(texts, 2)
    ]


def _read_scores(values: list[float]) -> list[list[Reading]]:
    """The two readings of each pair."""
    return [
        [read_logprobs(six[:3], swapped=False), read_logprobs(six[3:], swapped=True)]
        for six in batched(values, 6)
    ]


def _compare(protocol: Protocol, ours: list[list[Reading]], plain: list[list[Reading]]) -> None:
    """Print how many verdicts differ."""
    pairs = sum(
        resolve(protocol, one)[0] != resolve(protocol, other)[0]
        for one, other in zip(ours, plain, strict=True)
    )
    readings = [
        (one.verdict, other.verdict)
        for pair, same in zip(ours, plain, strict=True)
        for one, other in zip(pair, same, strict=True)
    ]
    print(
        f"{protocol} protocol: {pairs} of {len(plain)} pairs and "
        f"{sum(one != other for one, other in readings)} of {len(readings)} readings have another "
        f"verdict; {sum(other is Verdict.INVALID for _, other in readings)} readings of the plain "
        "path are invalid."
    )


if __name__ == "__main__":
    sys.exit(main())
