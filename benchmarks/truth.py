"""Time the truth: python benchmarks/truth.py [households] [futures] [processes]; the budget is 5 000 x 2 000 in 60 s on 2 cores."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time

from returnrisk.simulate import default_parameters
from returnrisk.simulate.futures import run_futures
from returnrisk.simulate.truth import states_at


def main(households: int = 5000, futures: int = 2000, processes: int = 2) -> None:
    """Print seconds for one day."""
    day = dt.date(2022, 12, 31)
    begin = time.perf_counter()
    state = states_at([day], n_households=households)[day]
    ready, before = time.perf_counter(), os.times()
    run_futures(state, parameters=default_parameters(), n_futures=futures, seed=0, settled_after=(3, 6, 9, 12), processes=processes)
    lived = time.perf_counter() - ready
    after = os.times()
    worked = sum(after[:4]) - sum(before[:4])
    each = worked / (12 * households * futures) * 1e6
    print(f"state of {day}: {ready - begin:.1f} s")
    print(f"{households} households x {futures} futures x 12 months, {processes} processes: {lived:.1f} s")
    print(f"{worked:.1f} s of processor, {each:.2f} microseconds a household-month")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
