"""Figures from plain data: one module a figure, `write` for the file. Nothing here knows a run."""
