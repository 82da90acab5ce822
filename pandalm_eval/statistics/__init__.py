"""Estimates and tests in which the prompt, not the pair, is the sampling unit.

Both orders, repeats and all pairs of a prompt are one cluster: they share the instruction, so they
are right or wrong together, and counting them as independent makes an interval too narrow (Miller
2024, "Adding Error Bars to Evals", arXiv 2411.00640). Everything here is a pure function of numpy
arrays and knows nothing of pairs, judges or files.

- `clusters`: sums by cluster, their standard errors and bootstrap draws
- `shares`: a share with its error and interval, such as a win rate or an accuracy
- `paired`: two systems on the same prompts, and many such comparisons at once
- `unpaired`: a metric on two samples that share no prompt
- `davidson`, `ranking`: strengths of many candidates, from pairs with ties
- `equal_length`: the win rate that would hold if both candidates wrote at equal length
- `sampling`, `correction`: a judge's win rate set right by human labels on some of the prompts
- `agreement`: Krippendorff's alpha
"""
