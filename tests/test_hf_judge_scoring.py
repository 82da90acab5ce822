"""hf-judge against plain transformers: the same probabilities, of exact tokens."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_judges import PROMPTS, TAIL, TOKENIZERS, ask, generate, judge, plain
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from pandalm_eval.errors import InputError
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.models.tokens import Encoder

CONTINUATIONS = ["1", "2", "Tie", "Response 1 is better", "\n"]


@pytest.mark.parametrize("tokenizer", list(TOKENIZERS))
@pytest.mark.parametrize("ending", [TAIL, "\nAnswer: ", "\nVerdict:", " (", "é"])
def test_scored_tokens_decode_to_prompt_and_verdict(
    folders: dict[str, Path], tokenizer: str, ending: str
) -> None:
    loaded = AutoTokenizer.from_pretrained(folders[tokenizer])
    encoder = Encoder(loaded)
    prompt = "Which is better?" + ending
    ids = encoder.prompt(prompt)
    for text in CONTINUATIONS:
        both = loaded.decode(ids + encoder.continuation(prompt, ids, text))
        assert both.removeprefix("<s>").removeprefix(" ") == prompt + text


def test_the_tokenizers_differ_where_it_matters(folders: dict[str, Path]) -> None:
    merged, split, llama = (AutoTokenizer.from_pretrained(folders[name]) for name in TOKENIZERS)
    assert ":\n" in [merged.decode([token]) for token in merged(TAIL)["input_ids"]]
    assert ":\n" not in [split.decode([token]) for token in split(TAIL)["input_ids"]]
    assert llama.tokenize("1") == ["▁1"] or llama.tokenize("1") == ["▁", "1"]
    prompt = "One." + TAIL
    ids = Encoder(llama).prompt(prompt)
    assert llama.convert_ids_to_tokens(Encoder(llama).continuation(prompt, ids, "1")) == ["1"]


def test_a_continuation_that_cannot_be_written_is_refused() -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "Better": 1, "?": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    loaded = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>")
    with pytest.raises(InputError, match="no tokens for 'Tie'"):
        Encoder(loaded).continuation("Better?", [1, 2], "Tie")


@pytest.mark.parametrize("tokenizer", list(TOKENIZERS))
@pytest.mark.parametrize("batch_size", [1, 4])
def test_probabilities_are_those_of_a_full_forward_pass(
    folders: dict[str, Path], tokenizer: str, batch_size: int
) -> None:
    subject = judge(folders[tokenizer], batch_size=batch_size)
    likely = subject.generate_until(ask(PROMPTS[:1], {"max_gen_toks": 1}))[0]
    continuations = [*CONTINUATIONS, str(likely)]
    requests = [request for text in continuations for request in ask(PROMPTS, text)]
    scores = subject.loglikelihood(requests)
    encoder, likeliest = Encoder(subject.tokenizer), []
    for request, (logprob, is_greedy) in zip(requests, scores, strict=True):
        context, text = request.args
        ids = encoder.prompt(context)
        tail = encoder.continuation(context, ids, text)
        with torch.no_grad():
            logits = subject.model(torch.tensor([ids + tail]), use_cache=False).logits[0].float()
        steps = torch.log_softmax(logits, dim=-1)[len(ids) - 1 : -1]
        expected = steps[range(len(tail)), tail].sum().item()
        assert logprob == pytest.approx(expected, abs=1e-4)
        assert is_greedy == (steps.argmax(dim=-1).tolist() == tail)
        likeliest.append(is_greedy)
    assert any(
        len(encoder.continuation(PROMPTS[0], encoder.prompt(PROMPTS[0]), t)) > 1
        for t in continuations
    )
    assert True in likeliest
    assert False in likeliest


@pytest.fixture
def widths(monkeypatch: pytest.MonkeyPatch) -> Callable[[HFJudge], list[int]]:
    """Make a judge note the tokens of every pass."""

    def noted(subject: HFJudge) -> list[int]:
        found: list[int] = []
        forward = subject.model.forward

        def counting(*args: Any, **kwargs: Any) -> Any:
            found.append(kwargs["input_ids"].shape[1])
            return forward(*args, **kwargs)

        monkeypatch.setattr(subject.model, "forward", counting)
        return found

    return noted


def test_continuations_share_one_pass_over_their_prompts(
    folders: dict[str, Path], widths: Callable[[HFJudge], list[int]]
) -> None:
    subject = judge(folders["split"], batch_size=2)
    passes = widths(subject)
    scores = subject.loglikelihood(
        [request for text in ("1", "Tie yes", "Tie no", "1") for request in ask(PROMPTS[1:3], text)]
    )
    assert scores[:2] == scores[-2:]
    assert len([width for width in passes if width > 20]) == 1


def test_a_single_prompt_is_read_anew_for_a_longer_continuation(
    folders: dict[str, Path], widths: Callable[[HFJudge], list[int]]
) -> None:
    """As the plain path does it; those that differ in their last token share a pass."""
    subject = judge(folders["split"])
    passes = widths(subject)
    subject.loglikelihood([request for text in "12" for request in ask(PROMPTS[:1], text)])
    assert len(passes) == 1
    (prompt,) = passes
    texts = ("1", "Tie yes", "Tie no")
    subject.loglikelihood([request for text in texts for request in ask(PROMPTS[:1], text)])
    one, *longer = passes[1:]
    assert one == prompt
    assert longer
    assert all(prompt < width <= prompt + len("Tie yes") for width in longer)


def test_learnt_positions_count_from_each_rows_own_beginning(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    """Rotary positions are relative and would not notice padding before a row."""
    torch.manual_seed(5)
    tokenizer = AutoTokenizer.from_pretrained(folders["split"])
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
    config = GPT2Config(vocab_size=len(tokenizer), **size, eos_token_id=1, initializer_range=0.3)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    requests = [request for text in ("1", "Tie yes") for request in ask(PROMPTS, text)]
    alone, together = (judge(tmp_path, batch_size=size) for size in (1, 4))
    assert alone.max_length == 256
    assert [score for score, _ in together.loglikelihood(requests)] == pytest.approx(
        [score for score, _ in alone.loglikelihood(requests)], abs=1e-4
    )
    assert generate(together, PROMPTS) == plain(tmp_path, PROMPTS)


def test_a_sliding_window_gives_the_same(folders: dict[str, Path], tmp_path: Path) -> None:
    """Its cache cannot be cropped back, as it has dropped what lies before the window."""
    from transformers import MistralConfig, MistralForCausalLM

    folder = tmp_path / "window"
    shutil.copytree(folders["split"], folder, ignore=shutil.ignore_patterns("*.safetensors"))
    torch.manual_seed(3)
    config = MistralConfig.from_pretrained(folder, sliding_window=8, head_dim=16)
    MistralForCausalLM(config).save_pretrained(folder)
    subject = judge(folder)
    texts = ["Tie yes", "Response 2", "Tie"]
    together = subject.loglikelihood([one for text in texts for one in ask(PROMPTS[1:2], text)])
    alone = [subject.loglikelihood(ask(PROMPTS[1:2], text))[0] for text in texts]
    assert [score for score, _ in together] == pytest.approx([score for score, _ in alone])
