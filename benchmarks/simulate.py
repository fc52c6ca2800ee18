"""Time the simulator: python benchmarks/simulate.py [households] [months]; the budget is 5 000 x 48 in 20 s, 72 months of files in 10 s."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from returnrisk.simulate import simulate_county, write_inbox


def main(households: int = 5000, months: int = 48) -> None:
    """Print seconds for simulating and for writing the files."""
    begin = time.perf_counter()
    county = simulate_county(n_households=households, months=months, seed=0)
    simulated = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        files = write_inbox(county, Path(folder))
        written = time.perf_counter()
        size = sum(path.stat().st_size for path in files)
    rows = sum(len(frame) for frame in county.tables.values())
    print(f"{households} households x {months} months: {rows} rows")
    print(f"simulate {simulated - begin:6.1f} s")
    print(f"write    {written - simulated:6.1f} s  ({len(files)} files, {size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
