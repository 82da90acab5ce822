"""Tables from runs: what stands in them (one module a kind) and how they are printed."""
