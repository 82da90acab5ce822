"""YAML files of our tasks; installed as `pandalm_eval.tasks`."""
