"""Our metadata keys: defaults, refusals, and which of the harness's keys must pass."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pandalm_eval.errors import UsageError
from pandalm_eval.judgments import Protocol
from pandalm_eval.prompts import PromptStyle
from pandalm_eval.settings import KEYS, Decoding, Settings, check_keys


def read(metadata: dict[str, Any], protocol: str = "full", fixed: bool = False) -> Settings:
    return Settings.read("pandalm_human", metadata, protocol, fixed=fixed)


@pytest.mark.parametrize("protocol", Protocol)
def test_defaults(protocol: Protocol) -> None:
    assert read({}, protocol.value) == Settings(
        protocol=protocol,
        prompt=PromptStyle.PANDALM,
        decoding=Decoding.GREEDY,
        gold="human",
        data_dir=None,
        pairs=None,
    )


def test_every_key_that_is_read() -> None:
    told = {
        "protocol": "verdict",
        "prompt": "chat",
        "decoding": "upstream",
        "gold": "labels.jsonl",
        "data_dir": "somewhere",
        "pairs": "pairs.json",
    }
    assert read(told) == Settings(
        protocol=Protocol.VERDICT,
        prompt=PromptStyle.CHAT,
        decoding=Decoding.UPSTREAM,
        gold="labels.jsonl",
        data_dir="somewhere",
        pairs="pairs.json",
    )


def test_a_fixed_protocol_may_be_repeated() -> None:
    assert read({"protocol": "single"}, "single", fixed=True).protocol is Protocol.SINGLE


@pytest.mark.parametrize(
    ("metadata", "protocol", "fixed", "message"),
    [
        ({"protocol": "swap"}, "full", False,
         "unknown protocol 'swap'; known are full, single, verdict, logprob."),
        ({"protocol": "Full"}, "full", False,
         "unknown protocol 'Full'; known are full, single, verdict, logprob."),
        ({"protocol": None}, "full", False,
         "unknown protocol 'None'; known are full, single, verdict, logprob."),
        ({"prompt": "alpaca"}, "full", False, "unknown prompt 'alpaca'; known are pandalm, chat."),
        ({"decoding": "beam"}, "full", False,
         "unknown decoding 'beam'; known are greedy, upstream."),
        ({"protocol": "full"}, "single", True,
         "pandalm_human always runs the single protocol, but --metadata has protocol=full. "
         "Leave the key out, or run pandalm_human with protocol=full."),
        ({"decoding": "upstream"}, "logprob", False,
         "pandalm_human: decoding=upstream generates text, but the logprob protocol generates "
         "none. Leave decoding out, or choose another protocol."),
        ({"gold": 0}, "full", False,
         "metadata key gold must be a text (human (default), gpt-3.5-turbo, or a file of {idx or "
         "id, label}), not 0."),
        ({"gold": ""}, "full", False, "metadata key gold must be a text ("),
        ({"data_dir": True}, "full", False, "metadata key data_dir must be a text ("),
        ({"pairs": ["a.json"]}, "full", False, "metadata key pairs must be a text ("),
        ({"protocl": "full"}, "full", False, "unknown metadata key 'protocl' (did you mean "
         "'protocol'?). Our keys are protocol, prompt, decoding, gold, data_dir, pairs, "),
    ],
)  # fmt: skip
def test_refusals(metadata: dict[str, Any], protocol: str, fixed: bool, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read(metadata, protocol, fixed)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("protocl", "protocol"), ("Protocol", "protocol"), ("promt", "prompt")),
        *(("decodng", "decoding"), ("golds", "gold"), ("data-dir", "data_dir")),
        *(("datadir", "data_dir"), ("pair", "pairs"), ("response", "responses")),
        *(("base_line", "baseline"), ("judges", "judge"), ("instruction", "instructions")),
        *(("label", "labels"), ("joins", "join")),
    ],
)
def test_typing_errors(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"'{typed}' .did you mean '{meant}'"):
        check_keys({typed: "x"})


def test_all_typing_errors_at_once() -> None:
    with pytest.raises(UsageError) as error:
        check_keys({"protocl": 1, "pretrained": "x", "promt": 2})
    told = "'protocl' (did you mean 'protocol'?), 'promt' (did you mean 'prompt'?)"
    assert f"unknown metadata key {told}. Our keys are " in str(error.value)


def harness_arguments() -> list[str]:
    """Constructor arguments of all models of the installed harness, read without importing."""
    spec = importlib.util.find_spec("lm_eval.models")
    assert spec is not None
    assert spec.origin is not None
    found = set()
    for path in Path(spec.origin).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                found |= {arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)}
    return sorted(found - {"self"})


def test_model_arguments_are_no_typing_errors() -> None:
    arguments = harness_arguments()
    assert {"pretrained", "base_url", "max_length", "delta", "peft"} <= set(arguments)
    refused = []
    for argument in arguments:
        try:
            check_keys({argument: "x"})
        except UsageError as error:
            refused.append(str(error))
    assert refused == []


@pytest.mark.parametrize(
    "key",
    [
        # Forwarded to engines and to from_pretrained; keys that the harness itself puts there.
        *("download_dir", "cache_dir", "tokenizer_mode", "quantization", "load_format", "seed"),
        *("enforce_eager", "swap_space", "data_parallel_size", "tensor_parallel_size", "gguf_file"),
        *("attn_implementation", "low_cpu_mem_usage", "torch_dtype", "variant", "subfolder"),
        *("api_key", "organization", "timeout", "num_concurrent", "think_end_token", "version"),
        *("verdict_field", "text_field", "path", "name", "verdicts", "model", "max_seq_lengths"),
    ],
)
def test_other_keys_pass(key: str) -> None:
    check_keys({key: "x"})


def test_our_own_keys_pass() -> None:
    check_keys(dict.fromkeys(KEYS, "x"))
