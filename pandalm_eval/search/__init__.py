"""Finding the candidate whose answers a judge prefers, with few readings.

- `strategies`: which readings to ask for next, and which candidate to choose in the end
"""
