"""One HTML page of runs, complete in itself: what is on it (one module a panel), how it is made safe.

`page.write_report` writes it. The browser gets HTML, one style sheet, one script and a block of JSON;
nothing is loaded from anywhere.
"""
