"""Accounts of households: two that are never mixed, in one itemised form. Each file states its estimand and time basis.

`register_net` is the monitoring line's account, `assistance_countable` that of the 低保 lines; `account_items` and `account_net`
give either, by name.
"""

from returnrisk.accounts.households import head_year, is_below
from returnrisk.accounts.itemised import ACCOUNTS, Account, account_items, account_net
from returnrisk.accounts.ledger import SOURCES, kept_periods, window_income, window_sums
from returnrisk.accounts.lines import lines_in_force
from returnrisk.accounts.months import delivered_inside, delivered_months, window_frame
from returnrisk.accounts.policy_values import PolicyValues
from returnrisk.accounts.register import register_net, register_net_items
from returnrisk.accounts.residents import claims_of_households, living_members, population, stays, young
from returnrisk.accounts.statement import HouseholdAccount, household_account

__all__ = [
    "ACCOUNTS", "SOURCES", "Account", "HouseholdAccount", "PolicyValues", "account_items", "account_net", "claims_of_households", "delivered_inside",
    "delivered_months", "head_year", "household_account", "is_below", "kept_periods", "lines_in_force", "living_members", "population", "register_net",
    "register_net_items", "stays", "window_frame", "window_income", "window_sums", "young",
]  # fmt: skip
