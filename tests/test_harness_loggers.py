"""The harness's own loggers: their flags reach it unchanged under our command."""

from __future__ import annotations

from typing import Any

import pytest

from pandalm_eval.cli import main

WANDB = ("--wandb_args", "project=judges,name=a b,job_type=eval")
HUB = (
    *("--hf_hub_log_args", "hub_results_org=ORG,details_repo_name=R,push_results_to_hub=True"),
    *("--wandb_config_args", "note=x"),
)


@pytest.mark.parametrize("via", ["flags", "config"])
def test_flags_reach_the_harness(
    via: str, small_data: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the harness makes of them is what it makes of them under its own command."""
    import yaml
    from lm_eval._cli.harness import HarnessCLI
    from lm_eval._cli.run import Run
    from lm_eval.config.evaluate_config import EvaluatorConfig

    found: list[Any] = []

    def note(args: Any) -> None:
        found.append(EvaluatorConfig.from_cli(args))

    monkeypatch.setattr(Run, "_execute", staticmethod(note))
    words = ["--model", "rule", "--model_args", "name=longest", "--tasks", "pandalm_human"]
    words += ["--output_path", str(tmp_path / "out"), "--log_samples"]
    words += ["--metadata", f"data_dir={small_data}"]
    if via == "config":
        told = {
            "wandb_args": {"project": "judges", "name": "a b", "job_type": "eval"},
            "hf_hub_log_args": {"hub_results_org": "ORG", "push_results_to_hub": True},
        }
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(told), "utf-8")
        words += ["--config", str(tmp_path / "run.yaml")]
    else:
        words += [*WANDB, *HUB]
    assert main(["run", *words]) == 0
    parsed = HarnessCLI()._parser.parse_args(["run", *words])
    parsed.func(parsed)
    ours, theirs = found
    for key in ("wandb_args", "wandb_config_args", "hf_hub_log_args", "log_samples", "output_path"):
        assert getattr(ours, key) == getattr(theirs, key), key
    assert ours.wandb_args["project"] == "judges"
    assert ours.hf_hub_log_args["hub_results_org"] == "ORG"
