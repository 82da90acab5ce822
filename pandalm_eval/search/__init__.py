"""Choosing among configurations of a tuning by the judge: the space, the study, the choice."""
