"""PandaLM's pairwise judge as a task type of lm-evaluation-harness."""

__version__ = "0.1.0"
