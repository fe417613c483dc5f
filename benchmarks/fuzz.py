"""Fuzzes the decoder of messages and the reading and restoring of notebooks, and stops at the first example that fails.

    python -m benchmarks.fuzz [--seconds 300] [decoder] [notebooks]

Examples are drawn anew at each run. It says how many were tried, and ends with 1 if one failed.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import time
import traceback
import warnings
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

TARGETS = ("decoder", "notebooks")
BATCH = 200
"""Examples that hypothesis draws in a row. What it has seen of them guides it to no others, so a new row begins often."""

SETTINGS = settings(
    max_examples=BATCH, deadline=None, database=None, derandomize=False, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
)  # fmt: skip


def fuzz(target: str, seconds: float) -> bool:
    """Tries examples for so many seconds, and says what came of it. Gives whether all of them passed."""
    module = import_module(f"tests.support.fuzzing.{target}")
    count, failed = 0, list[int]()

    def check(example: Any) -> None:
        nonlocal count
        count += 1
        try:
            module.check(example)
        except Exception:
            if not failed:
                failed.append(count)
                print(f"{target}: example {count:,} failed. Looking for a smaller one …", flush=True)
            raise

    began = time.monotonic()
    while time.monotonic() - began < seconds:
        number = secrets.randbits(64)
        try:
            seed(number)(SETTINGS(given(module.EXAMPLES)(check)))()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            traceback.print_exception(error)
            print(f"{target}: it failed after {time.monotonic() - began:.0f} s (seed {number}).", flush=True)
            return False
    print(f"{target}: {count:,} examples in {time.monotonic() - began:.0f} s, and none failed.", flush=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET", help="what to fuzz; else all of it")
    parser.add_argument("--seconds", type=float, default=300, help="how long, for each target")
    options = parser.parse_args()
    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nbformat, about what is wrong with notebooks
        passed = [fuzz(target, options.seconds) for target in options.targets]
    logging.disable(logging.NOTSET)
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
