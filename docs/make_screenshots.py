"""Makes docs/report.png, the picture of a report in the README, from committed results.

python docs/make_screenshots.py

Light above, dark below: the cards of some judges, and the table of judges. Needs Playwright,
Pillow (which matplotlib brings) and Chromium.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import chromium
from PIL import Image

from pandalm_eval.report.page import write_report

ROOT = Path(__file__).resolve().parents[1]
PICTURE = Path(__file__).with_name("report.png")
RUNS = (
    "human/judgments_pandalm_human_single_PandaLM-7B.jsonl",
    "human/judgments_pandalm_human_single_gpt-3.5-turbo.jsonl",
    "human/judgments_pandalm_human_logprob_SmolLM2-135M-Instruct.jsonl",
    "judge_training/judgments_pandalm_human_verdict_rule-longest.jsonl",
)
WIDTH, HEIGHT = 1280, 820


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder, chromium.launched() as browser:
        path = write_report([ROOT / "results" / run for run in RUNS], Path(folder))
        shots = []
        for scheme, section in (("light", "overview"), ("dark", "judgments")):
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,
                reduced_motion="reduce",
            )
            page.goto(path.as_uri())
            page.locator(f"#{section}").evaluate("section => section.scrollIntoView()")
            shots.append(Image.open(io.BytesIO(page.screenshot())))
            page.close()
    whole = Image.new("RGB", (WIDTH, HEIGHT * len(shots)))
    for number, shot in enumerate(shots):
        whole.paste(shot, (0, HEIGHT * number))
    # 128 colours are enough for flat grounds and text, and a third of the size.
    whole.quantize(128, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
