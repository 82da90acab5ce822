"""How a command of ours ends: 0 done, 1 the input is at fault, 2 the usage is, 130 interrupted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from pandalm_eval.errors import PandaLMError


def ended(program: str, work: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Do the work and return its exit code; what the user can mend is told in one message."""
    try:
        return work()
    except PandaLMError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{program}: {interrupted}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our answer, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
