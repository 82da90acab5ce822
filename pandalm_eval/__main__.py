"""`python -m pandalm_eval` is `pandalm-eval`."""

import sys

from pandalm_eval.cli import main

sys.exit(main())
