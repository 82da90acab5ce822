"""PandaLM's pairwise judge as a task type of lm-evaluation-harness."""

from pandalm_eval.api import Comparison, compare
from pandalm_eval.frame import read_judgments_frame

__all__ = ["Comparison", "__version__", "compare", "read_judgments_frame"]
__version__ = "0.1.0"
