"""Strategies: which readings to ask a judge for, and which candidate to choose after them.

A strategy is a generator (`asking.Strategy`). It yields batches of readings that it wants, is sent
the answers, and returns its choice. It sees nothing but candidates, prompts and answers by number,
and it is deterministic given the seed and the answers: a killed search resumes by replay.

- `asking`: what passes between a strategy and its caller
- `pairing`: who meets whom, on which prompt, in which order
- `tally`: mean scores of candidates
- `sequential`: PandaLM's own, the winner stays
- `round_robin`: all pairs on all prompts
- `uniform`: a budget spread evenly
- `halving`: the worse half drops out, round by round
- `belief`: a posterior of strengths from readings
- `adaptive`: readings go where they decide, with a stated error
"""
