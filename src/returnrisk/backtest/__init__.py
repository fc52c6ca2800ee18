"""Rolling-origin backtest: several specifications of one outcome, each fitted anew at every origin, and which of them to use.

found = backtest(store, specs, known_on=day, snapshots=lambda day, spec: build_snapshot(...))
found.table(), found.choice.frame()
"""

from returnrisk.backtest.choice import RULES, Choice
from returnrisk.backtest.origins import Origin, plan_origins
from returnrisk.backtest.result import Backtest
from returnrisk.backtest.run import BacktestSettings, backtest, days_of_backtest, grouped_by_outcome, with_all_families

__all__ = [
    "RULES",
    "Backtest",
    "BacktestSettings",
    "Choice",
    "Origin",
    "backtest",
    "days_of_backtest",
    "grouped_by_outcome",
    "plan_origins",
    "with_all_families",
]
