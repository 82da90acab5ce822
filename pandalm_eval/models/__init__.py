"""Models of ours for the harness's registry: `hf-judge`, `recorded`, `rule`."""
