"""What the rules say the county must look at, with or without a model: facts of households, categories, elimination, checks, 减收排查.

    found = screen(view, policy=policy)                   # everything, from one reading of the facts
    found.income.frame("causes"), found.alerts
    with kept_facts(view, policy=policy) as facts:        # or one part
        categories(facts, policy=policy, day=view.day)

Every answer is yes, no or cannot tell, with the missing fact named; "cannot tell" is never "no". Nothing here decides about anybody:
categories and alerts are leads that people verify.
"""

from returnrisk.screening.alert_ledger import STATES as ALERT_STATES
from returnrisk.screening.alert_ledger import read_alerts, write_alerts
from returnrisk.screening.alert_yield import AlertYield, alert_yield
from returnrisk.screening.alerts import RaisedAlerts, raise_alerts
from returnrisk.screening.bad_input import INPUT_CHECKS, bad_input, bad_input_counts, set_aside
from returnrisk.screening.categories import CATEGORIES, categories, categories_in_use
from returnrisk.screening.clauses import Category, Clause
from returnrisk.screening.consistency import CHECKS, RESULTS, WHY_NOT, consistency, consistency_counts
from returnrisk.screening.elimination import CRITERIA, STATES, TRACK, elimination
from returnrisk.screening.facts import FACT_LABELS, household_facts, kept_facts
from returnrisk.screening.income_screening import IncomeScreening, screen_income
from returnrisk.screening.rollup import RollUp, roll_up
from returnrisk.screening.screen import AlertsSince, Screening, screen, screen_since
from returnrisk.screening.small_cells import Published, publish
from returnrisk.screening.windows import ScreeningWindows, screening_windows

__all__ = ["ALERT_STATES", "CATEGORIES", "CHECKS", "CRITERIA", "FACT_LABELS", "INPUT_CHECKS", "RESULTS", "STATES", "TRACK", "WHY_NOT", "AlertYield", "AlertsSince", "Category", "Clause", "IncomeScreening", "Published", "RaisedAlerts", "RollUp", "Screening", "ScreeningWindows", "alert_yield", "bad_input", "bad_input_counts", "categories", "categories_in_use", "consistency", "consistency_counts", "elimination", "household_facts", "kept_facts", "publish", "raise_alerts", "read_alerts", "roll_up", "screen", "screen_income", "screen_since", "screening_windows", "set_aside", "write_alerts"]  # fmt: skip
