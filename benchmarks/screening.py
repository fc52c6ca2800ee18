"""Time one screening: python benchmarks/screening.py [households] [simulated] [store]; the budget is 100 000 households in 60 s on 2 cores.

A county of `simulated` households and 48 months, tiled to as many as are asked for (`tiling.py`), screened under the national pack on
its last day. Prints what was found, seconds by the clock and of processor time, and the largest memory.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from tiling import large_county

from returnrisk.policy import load_policy
from returnrisk.screening import roll_up, screen
from returnrisk.store.names import village_names


def main(households: int = 100_000, simulated: int = 5000, source: str = "") -> None:
    """Print what a screening costs; `source` is the folder of a store to tile instead of a simulated one."""
    policy = load_policy("national")
    with tempfile.TemporaryDirectory() as scratch:
        store = large_county(Path(scratch), households=households, simulated=simulated, source=source)
        view = store.as_of(store.last_recorded_on())
        clock, processor = time.perf_counter(), time.process_time()
        found = screen(view, policy=policy)
        screened = time.perf_counter() - clock
        areas = roll_up(found, villages=village_names(view, county_zh=""), policy=policy).areas
        whole, used = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(found.households)} households, {len(found.frame())} of them in 减收排查; {len(found.alerts)} alerts; {len(areas)} areas"
    )
    print(f"screen {screened:.1f} s, with roll-up {whole:.1f} s ({used:.1f} s of processor time), peak {peak:.1f} GB")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]), *sys.argv[3:4])
