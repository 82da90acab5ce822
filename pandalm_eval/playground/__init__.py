"""A local page on which a judge reads a pair: judging and words without Gradio, and the page."""
