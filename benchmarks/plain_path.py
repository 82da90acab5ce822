"""Whether hf-judge's batches say what the plain path says, on every pair of the test set.

The plain path is transformers' own: `generate` on each prompt alone, and one pass over each prompt
with a verdict behind it. Verdicts and probabilities of both orders are compared with those
of `--batch_size auto`. Prints Markdown.

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
from tqdm import tqdm

from pandalm_eval.human import read_test_set
from pandalm_eval.judgments import Protocol, Reading, read_logprobs, read_text
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
        ours = [read_text(str(text), swapped=False) for text in judge.generate_until(asked)]
        plain = [read_text(text, swapped=False) for text in generated(judge, asked)]
        print(f"verdict protocol: {_differing(ours, plain)}")
    if "logprob" in options.protocols:
        asked = requests(pairs, Protocol.LOGPROB, Decoding.GREEDY, settles=True)
        ours = _read([value for value, _ in judge.loglikelihood(asked)])
        plain = _read(scored(judge, asked))
        apart = [
            max(
                abs(a - b)
                for a, b in zip(one.probabilities or (), other.probabilities or (), strict=True)
            )
            for one, other in zip(ours, plain, strict=True)
        ]
        print(
            f"logprob protocol: {_differing(ours, plain)}; probabilities of a reading differ by "
            f"{statistics.median(apart):.2g} (median), {max(apart):.2g} (at most)"
        )
    return 0


def _read(values: list[float]) -> list[Reading]:
    return [
        read_logprobs(values[place : place + 3], swapped=False, truncated=False)
        for place in range(0, len(values), 3)
    ]


def _differing(ours: list[Reading], plain: list[Reading]) -> str:
    differing = sum(a.verdict != b.verdict for a, b in zip(ours, plain, strict=True))
    invalid = sum(one.verdict is Verdict.INVALID for one in plain)
    return (
        f"{differing} of {len(plain)} verdicts differ ({invalid} of the plain path's are invalid)"
    )


if __name__ == "__main__":
    sys.exit(main())
