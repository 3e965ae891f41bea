"""For programs whose clock ``libfaketime`` puts back: sleep by a call that it leaves alone.

Where it is not to touch the monotonic clock, version 0.9.10 (Debian 12) answers every
``clock_nanosleep`` of that clock with EINVAL, and so every ``time.sleep`` of Python with an error.
"""

from __future__ import annotations

import select
import time


def _sleep(seconds: float) -> None:
    select.select((), (), (), seconds)


time.sleep = _sleep
