"""Print simulated beside published figures: python benchmarks/published.py [seed ...]; the table of docs/simulator.md."""

from __future__ import annotations

import datetime as dt
import sys

from returnrisk.simulate import simulate_county
from returnrisk.simulate.published import compare_with_published, published_markdown


def main(*seeds: int) -> None:
    """The mean over the seeds, 5 000 households, October 2018 to September 2024."""
    tables = [
        compare_with_published(simulate_county(n_households=5000, months=72, start=dt.date(2018, 10, 1), seed=seed))
        for seed in seeds or (0,)
    ]
    mean = tables[0].copy()
    mean["simulated"] = sum(table["simulated"] for table in tables) / len(tables)
    mean["within"] = mean["simulated"].between(mean["low"], mean["high"])
    print(published_markdown(mean))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
