"""Pairs in law and biomedicine whose gold needs no opinion: it follows from an answer key.

source → question → pair. `lsat`, `pubmedqa` and `bioasq` read what their owners released into
`questions`; `answer_key` makes pairs of them alone, `candidates` of models' responses to them, by
`scoring`. `task` and `respond` are the harness's side.
"""
