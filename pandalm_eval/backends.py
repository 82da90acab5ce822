"""What the harness's backends can and cannot do for a judge, and how a run is refused early."""

from __future__ import annotations

import os
import sys

from pandalm_eval.errors import UsageError

UPSTREAM_NEEDS_HF_JUDGE = (
    "decoding=upstream (4 beams, early stopping, repetition penalty 1.2, as model.generate gives "
    "it) exists with --model hf-judge only: the stock hf model stops all beams when one ends, and "
    "other backends have no such decoding. Run `pandalm-eval run --model hf-judge …`, or leave "
    "decoding out for greedy."
)

NULL_ANSWER = os.environ.get("LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER") or None
"""What the harness's API backends write where the server returned no content; by default an empty
text, which is invalid anyway. Under our command `failures.py` sees to it before."""


def hf_judge_is_live() -> bool:
    """Whether this process holds a judge of `hf-judge`: the harness makes the model first."""
    module = sys.modules.get("pandalm_eval.models.hf_judge")
    return module is not None and len(module.LIVE) > 0


def refuse_unscored(model: type) -> None:
    """Raise a UsageError if a model class has no log-likelihoods, as chat APIs have none."""
    if _is_chat_api(model):
        raise UsageError(
            f"{model.__name__} has no log-likelihoods, which the logprob protocol needs. Use the "
            "verdict protocol (pandalm_human_verdict), or a completions backend."
        )


def refuse_bare_text(model: type, remedy: str) -> None:
    """Raise a UsageError if a model class takes messages only; `remedy` makes them of prompts."""
    if _is_chat_api(model):
        raise UsageError(f"{model.__name__} takes messages, not bare text: add {remedy}.")


def _is_chat_api(model: type) -> bool:
    """The harness's chat backends say what they cannot only when the first request reaches them:
    their `loglikelihood` does nothing but raise NotImplementedError."""
    method = getattr(model, "loglikelihood", None)
    names = getattr(getattr(method, "__code__", None), "co_names", ())
    return "NotImplementedError" in names
