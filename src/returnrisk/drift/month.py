"""A month against the model's test days: all checks in one table, and what the list and the report say of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from returnrisk.config import DriftSpec
from returnrisk.drift import alarms
from returnrisk.drift.alarms import CODES, Check
from returnrisk.drift.coding import code_counts, code_drift, unit_drift
from returnrisk.drift.deliveries import delivery_ages, row_counts
from returnrisk.drift.features import FEATURE_COLUMNS, feature_drift, risk_drift
from returnrisk.drift.reference import Reference, at_risk_of
from returnrisk.features.catalogue import Feature
from returnrisk.features.snapshot import Snapshot
from returnrisk.registry.bundle import MODEL
from returnrisk.registry.serving import BundleScorer
from returnrisk.reports.texts import Text, text
from returnrisk.store.view import View

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

REGISTERS = ("household", "household_roster", "member", "income", "line")
"""On which every model rests, whatever its families."""
ON_THE_LIST = (
    alarms.LATE, alarms.TOWNSHIP_LATE, alarms.FEW_ROWS, alarms.UNIT, alarms.CODE, alarms.CODE_SHARES, alarms.RISKS, alarms.CALIBRATION,
    alarms.FAMILY, alarms.FEATURE,
)  # fmt: skip
"""In which order a list says it: first what a cadre can do something about."""
MOST_ON_THE_LIST = 3
MOST_SAID = 5
"""Alarms of a code that the report tells in words; all are in the file."""
COLUMNS = (
    "code", "subject", "part", "result", "value", "by_chance", "past", "threshold", "n", "zh", "en", "do_zh", "do_en",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class MonthDrift:
    """What a month differs in from the days its model was tested on.

    Attributes
    ----------
    as_of, model_version
        Day, and the model whose reference it was held against.
    reference_days
        The model's test days; empty where the bundle holds no reference.
    checks
        In the order of codes.
    tables
        Figures behind them: features, families, risks, deliveries, rows, codes, units and, where outcomes were looked at, calibration.
    """

    as_of: dt.date
    model_version: str
    reference_days: tuple[dt.date, ...]
    checks: tuple[Check, ...]
    tables: dict[str, pd.DataFrame]

    @property
    def alarms(self) -> tuple[Check, ...]:
        """Checks beyond their threshold."""
        return tuple(check for check in self.checks if check.result == "alarm")

    @property
    def exit_code(self) -> int:
        """3 with an alarm, else 0."""
        return 3 if self.alarms else 0

    def frame(self) -> pd.DataFrame:
        """One row per check: code, subject, part, result (alarm, fine, cannot_tell), figures, and the words of what is not fine."""
        import pandas as pd

        return pd.DataFrame([check.record() for check in self.checks], columns=list(COLUMNS))

    def summary(self) -> pd.DataFrame:
        """One row per code: code, zh, en (what it asks), n_checked, n_alarms, n_cannot_tell, said_zh, said_en (its alarms, or why it cannot be told)."""
        import pandas as pd

        rows = []
        for code in CODES:
            here = [check for check in self.checks if check.code == code]
            told = {result: [c for c in here if c.result == result] for result in ("alarm", "fine", "cannot_tell")}
            said = [c.said for c in (told["alarm"] or told["cannot_tell"]) if c.said is not None]
            name, unique = text(f"drift_check.{code}"), list(dict.fromkeys(said))
            if (more := len(unique) - MOST_SAID) > 0:
                unique = [*unique[:MOST_SAID], text("drift.more_in_file", n=more)]
            rows.append(
                {"code": code, "zh": name.zh, "en": name.en, "n_checked": len(told["alarm"]) + len(told["fine"]), "n_alarms": len(told["alarm"]),
                 "n_cannot_tell": len(told["cannot_tell"]), "said_zh": "；".join(t.zh for t in unique), "said_en": "; ".join(t.en for t in unique)}
            )  # fmt: skip
        return pd.DataFrame(rows)

    def list_line(self, township_code: int) -> Text | None:
        """What a township's list says of the month, in one line: the county's alarms and its own; None where there is none."""
        here = [c for c in self.alarms if c.on_list is not None and (not c.townships or township_code in c.townships)]
        here.sort(key=lambda check: ON_THE_LIST.index(check.code))
        said = list(dict.fromkeys((c.on_list, c.code) for c in here if c.on_list is not None))
        if not said:
            return None
        shown = [Text(f"{words.zh}（{code}）", f"{words.en} ({code})") for words, code in said[:MOST_ON_THE_LIST]]
        more = text("drift.more", n=len(said) - len(shown)) if len(said) > len(shown) else Text("", "")
        line = Text("；".join(t.zh for t in shown) + more.zh, "; ".join(t.en for t in shown) + more.en)
        return Text(text("drift.list_line", said=line.zh).zh, text("drift.list_line", said=line.en).en)

    def with_calibration(self, found: pd.DataFrame | None, *, why: Text | None = None) -> MonthDrift:
        """The same month with DRIFT004 answered, or with the reason why it cannot be."""
        checks = [Check(alarms.CALIBRATION, "observed_over_expected", "cannot_tell", said=why)]
        if found is not None:
            checks = list(alarms.calibration_checks(found))
        kept = [check for check in self.checks if check.code != alarms.CALIBRATION]
        tables = self.tables if found is None else {**self.tables, "calibration": found}
        return replace(self, checks=_ordered([*kept, *checks]), tables=tables)


def month_drift(snapshot: Snapshot, view: View, scorer: BundleScorer, *, rule: DriftSpec, model_version: str) -> MonthDrift:
    """Hold a month against the reference in its model's bundle, and its sources against their own past.

    A bundle without a reference (made before there was one) leaves DRIFT001 to DRIFT003 unanswered and says so. DRIFT004 needs outcomes of earlier
    days: the monthly run does not wait for them, `audit drift` looks.

    Parameters
    ----------
    snapshot, view
        Of the day.
    scorer
        The model.
    rule
        Thresholds.

    Raises
    ------
    BundleError
        The reference in the bundle is not readable.
    """
    state = scorer.bundle.content.reference
    reference = None if state is None else Reference.from_state(state)
    tables = source_tables(snapshot.features, view)
    checks, found = _of_sources(view, rule, tables=tables, expected=() if reference is None else reference.tables)
    if reference is None:
        checks += [
            Check(code, "", "cannot_tell", said=text("drift.no_reference"))
            for code in (alarms.FAMILY, alarms.FEATURE, alarms.RISKS)
        ]
    else:
        features, families = feature_drift(snapshot.table, reference, rule)
        risks = risk_drift(snapshot.table, reference, rule, log_odds=log_odds_of(scorer), curve=curve_of(scorer))
        checks += [
            *alarms.family_checks(families),
            *alarms.feature_checks(features, families=families),
            *alarms.risk_checks(risks, n=len(at_risk_of(snapshot.table))),
        ]
        found |= {"features": features, "families": families, "risks": risks}
    month = MonthDrift(
        as_of=snapshot.as_of,
        model_version=model_version,
        reference_days=() if reference is None else reference.days,
        checks=_ordered(checks),
        tables=found,
    )
    return month.with_calibration(None, why=text("drift.not_monthly"))


def source_tables(features: Iterable[Feature], view: View) -> list[str]:
    """Tables that features rest on, and the registers that all do."""
    readable = {name for name, contract in view.store.contracts.items() if not contract.restricted}
    return sorted(({f.record for f in features} | set(REGISTERS)) & readable)


def delivered_tables(view: View) -> list[str]:
    """Tables that any township delivered in the year to the day."""
    import ibis

    from returnrisk.timeline import add_months

    files = view.table("delivery")
    recent = files.filter(files.period_end > ibis.literal(add_months(view.day, -12)))
    return sorted(recent.select("table_name").distinct().to_pyarrow()["table_name"].to_pylist())


def log_odds_of(scorer: BundleScorer) -> Any:
    """Rows to the model's log-odds, before the curve."""
    learner = scorer.learners[MODEL]

    def log_odds(rows: pd.DataFrame) -> np.ndarray:
        found: np.ndarray = learner.decision_function(rows[list(learner.feature_names_)].to_numpy("float64"))
        return found

    return log_odds


def curve_of(scorer: BundleScorer) -> Any:
    """Log-odds to risks."""
    return scorer.calibrations[MODEL].apply


def _of_sources(
    view: View, rule: DriftSpec, *, tables: list[str], expected: Iterable[str]
) -> tuple[list[Check], dict[str, pd.DataFrame]]:
    contracts = view.store.contracts
    ages = delivery_ages(view, rule, tables=tables, expected=list(expected))
    counted = code_counts(view, tables=tables)
    rows, codes, units = row_counts(counted, rule), code_drift(counted, rule), unit_drift(view, rule, tables=tables)
    late = set(ages.loc[(ages["township_code"] == 0) & (ages["result"] == "alarm"), "table_name"])
    checks = [
        *alarms.age_checks(ages, contracts),
        *alarms.row_checks(rows, contracts, late=late),
        *alarms.code_checks(codes, contracts),
        *alarms.unit_checks(units, contracts),
    ]
    return checks, {"deliveries": ages, "rows": rows, "codes": codes, "units": units}


def _ordered(checks: Iterable[Check]) -> tuple[Check, ...]:
    return tuple(sorted(checks, key=lambda check: CODES.index(check.code)))


__all__ = ["FEATURE_COLUMNS", "MonthDrift", "curve_of", "delivered_tables", "log_odds_of", "month_drift", "source_tables"]
