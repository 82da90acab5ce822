"""One HTML page of runs, complete in itself: what is on it, a module a panel, and how it is safe.

`page.write_report` writes it: HTML, one style sheet, one script and a block of JSON. Nothing is
loaded from anywhere.
"""
