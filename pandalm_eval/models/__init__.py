"""Models of ours for the harness's registry: `hf-judge`, `recorded`, `rule`."""

from __future__ import annotations

MODELS = {
    "hf-judge": "pandalm_eval.models.hf_judge:HFJudge",
    "recorded": "pandalm_eval.models.recorded:RecordedJudge",
    "rule": "pandalm_eval.models.rule:RuleJudge",
}
"""Registry name and where the class stands; `setup.cfg` declares the same as entry points."""


def register() -> None:
    """Make our models known to the harness in this process, without importing them yet."""
    import lm_eval.models  # noqa: F401  (fills the registry, which must not be empty before)
    from lm_eval.api.registry import model_registry

    for name, target in MODELS.items():
        if name not in model_registry:
            model_registry.register(name, target=target)
