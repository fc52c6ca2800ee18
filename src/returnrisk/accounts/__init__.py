"""Accounts of households. Each file states its estimand and time basis."""

from returnrisk.accounts.ledger import SOURCES, kept_periods, window_income, window_sums
from returnrisk.accounts.lines import lines_in_force
from returnrisk.accounts.months import delivered_inside, delivered_months, window_frame
from returnrisk.accounts.register import register_net, register_net_items
from returnrisk.accounts.residents import population, stays, young

__all__ = [
    "SOURCES",
    "delivered_inside",
    "delivered_months",
    "kept_periods",
    "lines_in_force",
    "population",
    "register_net",
    "register_net_items",
    "stays",
    "window_frame",
    "window_income",
    "window_sums",
    "young",
]
