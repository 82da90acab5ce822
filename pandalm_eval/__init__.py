"""PandaLM's pairwise judge as a task type of lm-evaluation-harness."""

from pandalm_eval.api import Comparison, compare

__all__ = ["Comparison", "__version__", "compare"]
__version__ = "0.1.0"
