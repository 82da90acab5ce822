"""hf-judge: what it is loaded from, what it tells of itself, and which prompts it takes."""

from __future__ import annotations

import copy
import gc
import json
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from small_judges import CHAT, PROMPTS, UPSTREAM, ask, generate, judge, plain
from transformers import AutoModelForCausalLM, AutoTokenizer

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.models import hf_judge
from pandalm_eval.models.hf_judge import HFJudge
from pandalm_eval.models.tokens import Encoder


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"batchsize": 2}, UsageError, r"batchsize \(did you mean batch_size\?\)"),
        ({"dtype": "float17"}, UsageError, "dtype=float17"),
        ({"dtype": "nn"}, UsageError, "dtype=nn"),
        ({"batch_size": "many"}, UsageError, "batch_size=many"),
        ({"max_length": 0}, UsageError, "max_length=0"),
        ({"parallelize": "yes"}, UsageError, "parallelize=yes"),
        ({"exact": "maybe"}, UsageError, "exact=maybe: use True or False"),
        ({"pretrained": "./no/such/judge"}, InputError, "no such folder"),
        ({"pretrained": "owner/judge"}, InputError, "hf download owner/judge"),
        ({"peft": "/no/such/adapter"}, InputError, "peft=/no/such/adapter"),
        ({"tokenizer": "~/no/such/tokenizer"}, InputError, "no such folder"),
        ({"gguf_file": "judge.gguf"}, InputError, "GGUF files there: none"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said(
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    error: type[Exception],
    match: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=match):
        HFJudge(**{"pretrained": str(folders["split"]), "device": "cpu", **arguments})


def test_an_empty_folder_and_a_bare_gguf_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        judge(tmp_path)
    (tmp_path / "small.gguf").touch()
    with pytest.raises(InputError, match=r"pass gguf_file=small\.gguf"):
        judge(tmp_path)
    with pytest.raises(InputError, match=r"is a file.*gguf_file=small\.gguf"):
        judge(tmp_path / "small.gguf")


def test_what_a_judge_tells_of_itself(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"], dtype="bfloat16", name="Small", revision="main")
    assert subject in hf_judge.LIVE
    assert subject.model.dtype == torch.bfloat16
    assert not subject.model.training
    assert (subject.rank, subject.world_size, subject.device) == (0, 1, torch.device("cpu"))
    assert subject.max_length == 512
    info = subject.get_model_info()
    assert info["model_num_parameters"] == subject.model.num_parameters()
    assert json.loads(json.dumps(info))["model_dtype"] == "torch.bfloat16"
    assert info["judge_name"] == "Small"
    assert "/" not in subject.tokenizer_name
    texts = generate(subject, PROMPTS[:2])
    assert pickle.loads(pickle.dumps(texts[0])).new_tokens == texts[0].new_tokens
    assert all(math.isfinite(score) for score, _ in subject.loglikelihood(ask(PROMPTS[:2], "1")))
    with pytest.raises(NotImplementedError, match="perplexity"):
        subject.loglikelihood_rolling([])
    before = len(hf_judge.LIVE)
    del subject
    gc.collect()
    assert len(hf_judge.LIVE) < before


def test_an_adapter_gives_what_plain_peft_gives(folders: dict[str, Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    folder = folders["split"]
    base = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft's own, of a renamed attribute
        adapted = peft.get_peft_model(base, lora)
    adapted.save_pretrained(tmp_path / "adapter")
    merged = copy.deepcopy(adapted).merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "merged")
    subject = judge(folder, peft=str(tmp_path / "adapter"), batch_size=4)
    texts = generate(subject, PROMPTS)
    assert texts == plain(tmp_path / "merged", PROMPTS)
    assert texts != plain(folder, PROMPTS)
    assert generate(subject, PROMPTS[:3], **UPSTREAM) == plain(
        tmp_path / "merged", PROMPTS[:3], **UPSTREAM
    )
    ours = subject.loglikelihood(ask(PROMPTS, "Tie"))
    theirs = judge(tmp_path / "merged").loglikelihood(ask(PROMPTS, "Tie"))
    assert [score for score, _ in ours] == pytest.approx([score for score, _ in theirs], abs=1e-3)


# --- prompts ----------------------------------------------------------------------------------


def test_a_rendered_template_gets_no_second_beginning(folders: dict[str, Path]) -> None:
    subject = judge(folders["llama"])
    messages = [{"role": "user", "content": "Which?"}]
    rendered = subject.apply_chat_template(messages)
    assert rendered == "<s>[user] Which?\n[assistant] "
    ids = Encoder(subject.tokenizer).prompt(rendered)
    assert ids.count(subject.tokenizer.bos_token_id) == 1
    assert Encoder(subject.tokenizer).prompt("Which?")[0] == subject.tokenizer.bos_token_id
    assert subject.chat_template(False) == ""
    assert subject.chat_template(True) == CHAT
    opened = [*messages, {"role": "assistant", "content": "1"}]
    assert subject.apply_chat_template(opened, add_generation_prompt=False).endswith("1")


def test_a_tokenizer_without_a_template_says_so(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"])
    with pytest.raises(InputError, match="prompt=pandalm"):
        subject.apply_chat_template([{"role": "user", "content": "Which?"}])
    with pytest.raises(InputError, match="prompt=pandalm"):
        subject.chat_template(True)


def test_too_long_and_empty_prompts_are_named_and_nothing_is_cut(folders: dict[str, Path]) -> None:
    subject = judge(folders["split"], max_length="60")
    long = "word " * 100
    with pytest.raises(InputError, match=r"max_length=60.*pairs 1 \(idx 101\).*pairs 2"):
        generate(subject, ["One.", long, long])
    with pytest.raises(InputError, match=r"pairs 0 \(idx 100\)"):
        subject.loglikelihood(ask([long], "1"))
    for run in (
        lambda: generate(subject, ["One.", ""]),
        lambda: subject.loglikelihood(ask([""], "1")),
    ):
        with pytest.raises(InputError, match="empty prompt"):
            run()
