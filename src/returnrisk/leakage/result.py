"""What an audit of leakage says: one answer per check, and every figure behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from returnrisk.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

Result = Literal["problem", "fine", "cannot_tell", "not_applicable"]
SHOWN = 8
"""Names written into one cell; the rest is in `details`."""


@dataclass(frozen=True, slots=True)
class CheckText:
    """A check and its code, which never changes its meaning."""

    code: str
    zh: str
    en: str


CHECKS: Mapping[str, CheckText] = {
    c.code: c
    for c in (
        CheckText("LEAK001", "特征用到截止日之后才登记的记录", "a feature uses a row recorded after as_of"),
        CheckText("LEAK002", "单个特征的AUC高得不可信", "a single feature with an implausible AUC"),
        CheckText("LEAK003", "数据晚到一个月，特征作用即大幅消失", "importance collapses when a table is lagged one more month"),
        CheckText("LEAK004", "特征即结果窗口内的结果变量", "a feature is an outcome-defining column of the outcome's own window"),
        CheckText(
            "LEAK005", "特征用到识别之后的帮扶或监测记录", "a feature uses support or monitoring that began after identification"
        ),
        CheckText("LEAK006", "训练与检验的住户窗口重叠", "household-windows of training and test overlap"),
        CheckText("LEAK007", "区域汇总特征含本户或之后登记的记录", "an area aggregate holds the household itself or later rows"),
    )
}


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Thresholds of an audit. All are assumed; a county that changes one sees its own value in the answer.

    Attributes
    ----------
    implausible_auc
        LEAK002: a problem where the lower end of a single feature's interval lies above it.
    n_bins
        Quantile bins in which a single feature's event rate is learnt on the training days.
    least_drop, collapse_share
        LEAK003: a problem where the lower end of the drop in AUC is at least `least_drop` and the drop at least this share of what
        the features of the record are worth.
    least_drop_alone
        LEAK003: the same of the record alone: two records that tell the same hide each other's loss. Larger, for what a weak record
        tells of the outcome may well be a month old at most.
    copy_correlation
        LEAK004: a problem where the partial rank correlation reaches it.
    n_days
        Latest training days (and as many test days) that the statistical checks look at.
    max_rows
        Household-days they learn from and test on, at most each; households beyond are left out at random.
    n_bootstrap, level
        Draws of villages, and the level of their intervals.
    """

    implausible_auc: float = 0.9
    n_bins: int = 20
    least_drop: float = 0.01
    collapse_share: float = 0.5
    least_drop_alone: float = 0.1
    copy_correlation: float = 0.9
    n_days: int = 4
    max_rows: int = 40_000
    n_bootstrap: int = 200
    level: float = 0.95

    def as_dict(self) -> dict[str, float]:
        """Name to value."""
        return asdict(self)

    def __post_init__(self) -> None:
        between = {
            "implausible_auc": (0.5, 1),
            "least_drop": (0, 0.5),
            "collapse_share": (0, 1),
            "least_drop_alone": (0, 0.5),
            "copy_correlation": (0, 1),
            "level": (0, 1),
        }
        for name, (low, high) in between.items():
            if not low < getattr(self, name) < high:
                raise ConfigError(f"{name} of the audit is {getattr(self, name)}; expected a value between {low} and {high}")
        for name, least in {"n_bins": 2, "n_days": 1, "max_rows": 100, "n_bootstrap": 20}.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} of the audit is {getattr(self, name)}; expected {least} or more")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    Attributes
    ----------
    what
        Features, records or days it is about.
    measured, threshold
        The figure that decided and what it was held against, in words.
    figures
        Rows for `LeakageAudit.details`: what, measure, value, and low and high where there is an interval.
    """

    code: str
    result: Result
    why: str
    what: tuple[str, ...] = ()
    measured: str = ""
    threshold: str = ""
    figures: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class LeakageAudit:
    """Answers of all checks for one specification.

    Attributes
    ----------
    known_on
        Day whose view gave the test outcomes.
    days
        The days whose snapshots were looked at.
    """

    spec_name: str
    known_on: dt.date
    days: tuple[dt.date, ...]
    settings: AuditSettings
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Checks that found something."""
        return tuple(f for f in self.findings if f.result == "problem")

    @property
    def exit_code(self) -> int:
        """3 where a check found a problem, else 0; a check that cannot tell does not fail an audit, it is seen in `frame`."""
        return 3 if self.problems else 0

    def frame(self) -> pd.DataFrame:
        """One row per check: code, zh, en, result, what, measured, threshold, why."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "code": f.code,
                    "zh": CHECKS[f.code].zh,
                    "en": CHECKS[f.code].en,
                    "result": f.result,
                    "what": _listed(f.what),
                    "measured": f.measured,
                    "threshold": f.threshold,
                    "why": f.why,
                }
                for f in self.findings
            ]
        )

    def details(self) -> pd.DataFrame:
        """Every figure: code, what, measure, value, low, high (NaN where there is no interval)."""
        import pandas as pd

        rows = [{"code": f.code, **figure} for f in self.findings for figure in f.figures]
        return pd.DataFrame(rows, columns=["code", "what", "measure", "value", "low", "high"])


def _listed(names: tuple[str, ...]) -> str:
    more = f" (+{len(names) - SHOWN})" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
