"""A candidate answers and is compared with a baseline in one run; answers alone in another."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Write
from small_judges import TOKENIZERS
from test_failures import item, serving
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from pandalm_eval import candidate_memory, compare
from pandalm_eval.cli import main
from pandalm_eval.errors import InputError, UsageError
from pandalm_eval.judges import JudgeModel
from pandalm_eval.respond import _share_repeated
from pandalm_eval.results import read_runs

LONGEST = {"model": "rule", "model_args": {"name": "longest"}}
CHAT = {
    "model": "local-chat-completions",
    "model_args": {"model": "m", "base_url": "http://[::1]:9"},
}
PROMPTS = [f"Name {n} colours." for n in range(6)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model that writes something."""
    folder = tmp_path_factory.mktemp("candidate") / "writer"
    tokenizer = TOKENIZERS["llama"]()
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def prompts(write: Write) -> Path:
    return write([{"instruction": text} for text in PROMPTS], "prompts.json")


@pytest.fixture
def baseline(write: Write) -> Path:
    return write([{"instruction": text, "response": "red"} for text in PROMPTS], "red.json")


def run(
    folder: Path,
    task: str,
    model: Path,
    metadata: dict[str, Any],
    *more: str,
    kind: str = "hf-judge",
) -> dict[str, Any]:
    code = main(
        [
            *("run", "--model", kind, "--model_args", f"pretrained={model},dtype=float32"),
            *("--tasks", task, "--metadata", json.dumps(metadata), "--device", "cpu"),
            *("--gen_kwargs", "max_gen_toks=8"),
            *("--output_path", str(folder), "--log_samples", *more),
        ]
    )
    assert code == 0
    (results,) = folder.rglob("results_*.json")
    (figures,) = json.loads(results.read_text())["results"].values()
    return {key.removesuffix(",none"): value for key, value in figures.items()}


def answers(folder: Path) -> dict[str, str]:
    (samples,) = folder.rglob("samples_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    return {line["doc"]["instruction"]: line["filtered_resps"][0] for line in lines}


def test_answers_are_a_response_file(model: Path, prompts: Path, tmp_path: Path) -> None:
    figures = run(tmp_path / "out", "pandalm-respond", model, {"instructions": str(prompts)})
    told = answers(tmp_path / "out")
    assert list(told) == PROMPTS
    assert figures["n_prompts"] == len(PROMPTS)
    assert figures["empty_rate"] == sum(not text.strip() for text in told.values()) / 6
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert figures["cut_rate"] == 1 or len(tokenizer(min(told.values(), key=len)).input_ids) < 8
    assert figures["mean_characters"] == pytest.approx(
        sum(len(text.strip()) for text in told.values()) / 6
    )
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    found = compare({"one": samples, "two": samples}, LONGEST)
    assert found.models.rows[0]["tie"] == 6


def test_the_stock_model_counts_what_was_cut(model: Path, prompts: Path, tmp_path: Path) -> None:
    metadata = {"instructions": str(prompts)}
    ours = run(tmp_path / "a", "pandalm-respond", model, metadata)
    stock = run(tmp_path / "b", "pandalm-respond", model, metadata, kind="hf")
    assert answers(tmp_path / "a") == answers(tmp_path / "b")
    assert stock["cut_rate"] == ours["cut_rate"] > 0


def test_repeated_answers() -> None:
    assert _share_repeated(["a", "a", "b", ""]) == pytest.approx(2 / 3)
    assert _share_repeated(["", ""]) == 0


def test_one_run_equals_two(model: Path, prompts: Path, baseline: Path, tmp_path: Path) -> None:
    metadata = {"instructions": str(prompts), "baseline": str(baseline), "judge": LONGEST}
    one = run(tmp_path / "one", "pandalm-winrate", model, metadata)
    run(tmp_path / "two", "pandalm-respond", model, {"instructions": str(prompts)})
    (samples,) = (tmp_path / "two").rglob("samples_*.jsonl")
    two = compare({"writer": samples, "red": baseline}, LONGEST, baseline="red")
    (row,) = two.models.rows
    assert (row["a"], row["b"]) == ("red", "writer")
    assert one["win:writer:red"] == one["win"] == row["lose"]
    assert one["tie"] == row["tie"]
    assert one["win_rate"] == pytest.approx(1 - row["win_rate"])
    assert {"empty_rate", "cut_rate"} <= set(one)
    (read,) = read_runs([tmp_path / "one"])
    assert read.name.judge == "rule:longest"
    assert read.judgments is not None
    assert [j.verdict for j in read.judgments] == [j.verdict for j in two.run.judgments or ()]


def test_the_candidate_is_freed_before_a_real_judge_is_loaded(
    model: Path, prompts: Path, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[int] = []
    load = JudgeModel.load

    def watching(self: JudgeModel) -> Any:
        (held,) = candidate_memory._HELD
        gc.collect()
        alive.append(sum(reference() is not None for reference in weights))
        del held
        return load(self)

    weights: list[weakref.ref[Any]] = []
    free = candidate_memory.free

    def noting() -> None:
        (lm,) = candidate_memory._HELD
        weights.extend(weakref.ref(parameter) for parameter in lm.model.parameters())
        free()

    monkeypatch.setattr(JudgeModel, "load", watching)
    monkeypatch.setattr(candidate_memory, "free", noting)
    told = {"model": "hf-judge", "model_args": {"pretrained": str(model), "device": "cpu"}}
    metadata = {
        "instructions": str(prompts),
        "baseline": str(baseline),
        "judge": told,
        "protocol": "logprob",
    }
    for kind in ("hf-judge", "hf"):
        figures = run(tmp_path / kind, "pandalm-winrate", model, metadata, kind=kind)
        assert figures["win"] + figures["tie"] + figures["lose"] == 6
        assert len(weights) > 10
        assert alive.pop() == 0
        weights.clear()


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ({"judge": LONGEST}, UsageError, "needs the baseline's responses"),
        ({"baseline": "{baseline}"}, UsageError, "told as a model and its arguments"),
        ({"baseline": "{baseline}", "judge": {"model": "nobody"}}, UsageError, "cannot be had"),
        (
            {"baseline": "{baseline}", "judge": {"model": "rule", "args": {}}},
            UsageError,
            "unknown keys args",
        ),
        (
            {"baseline": "{baseline}", "judge": {"model": "rule", "model_args": {"name": "no"}}},
            UsageError,
            "unknown rule",
        ),
        (
            {"baseline": "{baseline}", "judge": CHAT, "protocol": "logprob", "prompt": "chat"},
            UsageError,
            "has no log-likelihoods",
        ),
        ({"baseline": "{baseline}", "judge": CHAT}, UsageError, "add prompt=chat"),
        (
            {"baseline": "{baseline}", "judge": LONGEST, "labels": "{more}"},
            UsageError,
            "takes no labels",
        ),
        (
            {"baseline": "{baseline}", "judge": LONGEST, "instructions": "{more}"},
            InputError,
            "no answer to 1 of 7 prompts: 'Another.'",
        ),
    ],
)
def test_what_is_wrong_is_said_before_the_candidate_answers(
    metadata: dict[str, Any],
    error: type[Exception],
    message: str,
    model: Path,
    prompts: Path,
    baseline: Path,
    write: Write,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = write([{"instruction": text} for text in [*PROMPTS, "Another."]], "more.json")
    told = json.dumps({"instructions": str(prompts)} | metadata)
    told = told.replace("{baseline}", str(baseline)).replace("{more}", str(more))
    arguments = ["run", "--model", "hf-judge", "--model_args", f"pretrained={model}"]
    code = main([*arguments, "--tasks", "pandalm-winrate", "--metadata", told])
    told_to_user = capsys.readouterr().err
    assert code == error("").exit_code  # type: ignore[attr-defined]
    assert message in told_to_user
    assert "generating" not in told_to_user


def test_a_run_that_resumes_judges_nothing_twice(
    model: Path, prompts: Path, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    load = JudgeModel.load

    def counting(judge: JudgeModel) -> Any:
        lm = load(judge)
        score = lm.loglikelihood
        lm.loglikelihood = lambda requests: asked.append(len(requests)) or score(requests)
        return lm

    monkeypatch.setattr(JudgeModel, "load", counting)
    told = {"model": "hf-judge", "model_args": {"pretrained": str(model), "device": "cpu"}}
    metadata = {
        "instructions": str(prompts),
        "baseline": str(baseline),
        "judge": told,
        "protocol": "logprob",
    }
    store = str(tmp_path / "answers.sqlite")
    runs = [
        run(tmp_path / name, "pandalm-winrate", model, metadata, "--use_cache", store)
        for name in ("one", "two")
    ]
    assert asked == [6 * len(PROMPTS)]
    assert runs[0] == runs[1]


def test_a_judge_may_be_told_as_text() -> None:
    assert JudgeModel.read(json.dumps(LONGEST)) == JudgeModel("rule", {"name": "longest"})
    told = {"model": "rule", "model_args": "name=longest,seed=3"}
    assert JudgeModel.read(told).arguments == {"name": "longest", "seed": 3}
    with pytest.raises(UsageError, match="is no JSON"):
        JudgeModel.read("rule:longest")


def test_the_bare_harness_says_that_both_models_stay(
    model: Path, prompts: Path, baseline: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    from pandalm_eval import models
    from pandalm_eval.tasks_folder import tasks_folder

    models.register()
    judge = {"model": "hf-judge", "model_args": {"pretrained": str(model), "device": "cpu"}}
    metadata = {"instructions": str(prompts), "baseline": str(baseline), "judge": judge}
    found = simple_evaluate(
        model="hf-judge",
        model_args={"pretrained": str(model), "device": "cpu"},
        tasks=["pandalm-winrate"],
        task_manager=TaskManager(
            include_path=str(tasks_folder()), metadata=metadata | {"pretrained": str(model)}
        ),
        gen_kwargs="max_gen_toks=4",
        limit=2,
    )
    assert "--tasks pandalm-respond" in caplog.text
    assert found["results"]["pandalm-winrate"]["n_pairs,none"] == 2


def test_models_answer_in_python(model: Path, prompts: Path, baseline: Path) -> None:
    writer = {"model": "hf-judge", "model_args": {"pretrained": str(model), "device": "cpu"}}
    found = compare(
        {"writer": writer, "red": baseline},
        writer,
        instructions=prompts,
        protocol="logprob",
        join="intersection",
        gen_kwargs="max_gen_toks=4",
        limit=3,
    )
    (row,) = found.models.rows
    assert row["n"] == 3
    assert found.run.name.judge == "writer"


def test_pictures_of_a_run(
    model: Path, prompts: Path, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = {"instructions": str(prompts), "baseline": str(baseline), "judge": LONGEST}
    run(tmp_path / "one", "pandalm-winrate", model, metadata)
    capsys.readouterr()
    for kind, name in (("order", "a.svg"), ("win_rates", "b.pdf")):
        target = tmp_path / name
        assert main(["plot", str(tmp_path / "one"), "--kind", kind, "-o", str(target)]) == 0
        assert capsys.readouterr().out.strip() == str(target)
        assert target.stat().st_size > 1000
    assert "writer" in (tmp_path / "a.svg").read_text()
    for arguments, code, message in (
        (["--kind", "order", "-o", "x.gif"], 2, "name a file that ends in"),
        (["--kind", "confusion", "-o", str(tmp_path / "c.png")], 1, "no judgments with a gold"),
    ):
        assert main(["plot", str(tmp_path / "one"), *arguments]) == code
        assert message in capsys.readouterr().err
    assert not (tmp_path / "c.png").exists()


def test_a_remote_judge_that_fails_costs_its_own_readings(
    model: Path, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    records = [{"instruction": f"Do item-{n}.", "response": "red"} for n in range(6)]
    asked, baseline = write(records, "asked.json"), write(records, "red.json")
    with serving() as server:
        server.faults["item-2"] = "500"
        judge = {
            "model": "local-completions",
            "model_args": {
                "model": "x",
                "base_url": f"{server.address}/completions",
                "max_retries": 1,
                "tokenizer_backend": None,
            },
        }
        metadata = {"instructions": str(asked), "baseline": str(baseline), "judge": judge}
        store = ("--use_cache", str(tmp_path / "answers.sqlite"))
        first = run(tmp_path / "one", "pandalm-winrate", model, metadata, *store)
        assert (first["invalid"], first["invalid_rate"]) == (1, pytest.approx(1 / 6))
        server.faults.clear()
        server.asked.clear()
        second = run(tmp_path / "two", "pandalm-winrate", model, metadata, *store)
        assert {item(prompt) for prompt in server.asked} == {"item-2"}
    assert second["invalid"] == 0
