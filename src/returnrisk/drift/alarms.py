"""The checks of a month, each with a permanent code, and the words of its alarms: for the evaluator, for whoever mends it, for the list.

DRIFT001 family   DRIFT002 feature   DRIFT003 risks      DRIFT004 calibration      DRIFT005 source late or missing
DRIFT006 a township's delivery late  DRIFT007 few rows   DRIFT008 code came, went  DRIFT009 shares of codes    DRIFT010 unit
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.contracts import Contract
from returnrisk.drift.coding import nearest_unit
from returnrisk.drift.deliveries import COUNTY, MONTHS
from returnrisk.features.families import EVERY, catalogue
from returnrisk.reports.texts import Text, either, text

if TYPE_CHECKING:
    import pandas as pd

Result = Literal["alarm", "fine", "cannot_tell"]
CODES = tuple(f"DRIFT{number:03d}" for number in range(1, 11))
FAMILY, FEATURE, RISKS, CALIBRATION, LATE, TOWNSHIP_LATE, FEW_ROWS, CODE, CODE_SHARES, UNIT = CODES


@dataclass(frozen=True, slots=True)
class Check:
    """One figure held against its threshold.

    Attributes
    ----------
    code, subject, part
        Which check, of what (family, feature, table, `psi`, `mean_risk`), and of which part of it (township, column, code, day); "" for all.
    value, by_chance, past, threshold
        NaN where there is none; by_chance and past are parts of what the threshold was made from.
    n
        Households, rows or falls that the value rests on; months are not counted.
    said, do, on_list
        Only of an alarm (or, `said`, of what could not be told): for the evaluator, for whoever mends it, for the cadre.
    townships
        Whose list says it; empty: all of them.
    """

    code: str
    subject: str
    result: Result
    part: str = ""
    value: float = float("nan")
    by_chance: float = float("nan")
    past: float = float("nan")
    threshold: float = float("nan")
    n: float = float("nan")
    said: Text | None = None
    on_list: Text | None = None
    townships: tuple[int, ...] = ()

    @property
    def do(self) -> Text:
        """What to do about an alarm of this code."""
        return text(f"drift_do.{self.code}")

    def record(self) -> dict[str, Any]:
        """A row of `drift.csv`."""
        figures = {name: getattr(self, name) for name in ("value", "by_chance", "past", "threshold", "n")}
        blank = Text("", "")
        said, do = self.said or blank, self.do if self.result == "alarm" else blank
        head = {"code": self.code, "subject": self.subject, "part": self.part, "result": self.result}
        return {**head, **figures, "zh": said.zh, "en": said.en, "do_zh": do.zh, "do_en": do.en}


def family_checks(families: pd.DataFrame) -> Iterator[Check]:
    """DRIFT001 of `features.feature_drift`'s families."""
    words = {f.name: f for f in catalogue(EVERY)}
    for row in families.to_dict("records"):
        of = EVERY[row["family"]]
        name, first = Text(of.zh, of.en), words[row["first"]]
        alarm, figures = row["result"] == "alarm", {name: f"{row[name]:.2f}" for name in ("psi_mean", "psi_max")}
        facts = {"first": Text(first.zh, first.en), "n_moved": row["n_moved"], "n_features": row["n_features"], **figures}
        yield Check(
            FAMILY, row["family"], row["result"], value=row["moved"], threshold=row["threshold"], n=float(row["n_features"]),
            said=_filled("drift.DRIFT001", name=name, **facts) if alarm else None,
            on_list=_filled("drift_list.DRIFT001", name=name) if alarm else None,
        )  # fmt: skip


def feature_checks(features: pd.DataFrame, *, families: pd.DataFrame) -> Iterator[Check]:
    """DRIFT002; a feature of a family that is told of already is not told to cadres again."""
    words = {f.name: f for f in catalogue(EVERY)}
    told = set(families.loc[families["result"] == "alarm", "family"])
    for row in features.to_dict("records"):
        of = words[row["feature"]]
        alarm, name = row["result"] == "alarm", Text(of.zh, of.en)
        missing = {name: f"{row[name]:.0%}" for name in ("missing", "missing_reference")}
        yield Check(
            FEATURE, row["feature"], row["result"], value=row["psi"], by_chance=row["by_chance"], past=row["past"],
            threshold=row["threshold"], n=float(row["n"]),
            said=_filled("drift.DRIFT002", name=name, **missing, **_shown(row)) if alarm else _untold(row),
            on_list=_filled("drift_list.DRIFT002", name=name) if alarm and row["family"] not in told else None,
        )  # fmt: skip


def risk_checks(risks: pd.DataFrame, *, n: int) -> Iterator[Check]:
    """DRIFT003: the risks' index, and their mean as a ratio to that of the reference."""
    if risks.empty:
        yield Check(RISKS, "psi", "cannot_tell", said=text("drift.nobody_at_risk"))
    for row in risks.to_dict("records"):
        alarm = row["result"] == "alarm"
        is_mean = row["what"] == "mean_risk"
        value = row["value"] / row["reference"] if is_mean else row["value"]
        facts = (
            {"now": f"{row['value']:.1%}", "before": f"{row['reference']:.1%}", "falls": f"{n * row['value']:.0f}"}
            if is_mean
            else {}
        )
        yield Check(
            RISKS, row["what"], row["result"], value=value, by_chance=row["by_chance"], past=row["past"],
            threshold=row["threshold"], n=float(n),
            said=_filled(f"drift.DRIFT003_{row['what']}", **_shown({**row, "psi": value}), **facts) if alarm else _untold(row),
            on_list=text("drift_list.DRIFT003") if alarm else None,
        )  # fmt: skip


def calibration_checks(found: pd.DataFrame) -> Iterator[Check]:
    """DRIFT004 of `calibration.calibration_drift`: all days together."""
    row = found.iloc[0].to_dict()
    figures = {name: f"{row[name]:.2f}" for name in found.columns if name.startswith(("observed_over", "calibration_slope"))}
    alarm = row["result"] == "alarm"
    said = _filled("drift.DRIFT004", **figures, n_events=row["n_events"], n=row["n"]) if alarm else None
    if row["result"] == "cannot_tell":
        said = text("drift.few_falls", n=row["n_events"])
    yield Check(
        CALIBRATION, "observed_over_expected", row["result"], value=row["observed_over_expected"], n=float(row["n_events"]), said=said,
        on_list=text("drift_list.DRIFT004") if alarm else None,
    )  # fmt: skip


def age_checks(ages: pd.DataFrame, contracts: Mapping[str, Contract]) -> Iterator[Check]:
    """DRIFT005 of the county's sources, DRIFT006 of single townships."""
    for row in ages.to_dict("records"):
        at, of = int(row["township_code"]), contracts[row["table_name"]]
        alarm = row["result"] == "alarm"
        gone = alarm and not row["age_months"] <= MONTHS
        facts = {
            "name": Text(of.label_zh, of.label_en),
            "office": of.office,
            "missed": either(f"drift_missed.{of.name}", otherwise=""),
            "months": f"{row['age_months']:.0f}",
            "usual": f"{row['usual_months']:.0f}",
            "township": at,
        }
        code = LATE if at == COUNTY else TOWNSHIP_LATE
        key = "DRIFT005_gone" if gone and at == COUNTY else code
        yield Check(
            code, row["table_name"], row["result"], part="" if at == COUNTY else str(at), value=row["age_months"],
            past=row["usual_months"], threshold=row["threshold"],
            said=_filled(f"drift.{key}", **facts) if alarm else None,
            on_list=_filled(f"drift_list.{key}", **facts) if alarm else None,
            townships=() if at == COUNTY else (at,),
        )  # fmt: skip


def row_checks(rows: pd.DataFrame, contracts: Mapping[str, Contract], *, late: set[str]) -> Iterator[Check]:
    """DRIFT007; of a source that is late it is known already why there are few rows."""
    for row in rows.to_dict("records"):
        of = contracts[row["table_name"]]
        alarm = row["result"] == "alarm" and row["table_name"] not in late
        facts = {
            "name": Text(of.label_zh, of.label_en),
            "office": of.office,
            "missed": either(f"drift_missed.{of.name}", otherwise=""),
        }
        facts |= {"n": row["n"], "usual": f"{row['usual']:.0f}", "year_before": f"{row['year_before']:.0f}"}
        yield Check(
            FEW_ROWS, row["table_name"], "alarm" if alarm else "fine" if row["result"] == "alarm" else row["result"], value=float(row["n"]),
            past=row["usual"], threshold=row["threshold"], n=float(row["n"]),
            said=_filled("drift.DRIFT007", **facts) if alarm else None,
            on_list=_filled("drift_list.DRIFT007", **facts) if alarm else None,
        )  # fmt: skip


def code_checks(codes: pd.DataFrame, contracts: Mapping[str, Contract]) -> Iterator[Check]:
    """DRIFT008 of codes that came or went, DRIFT009 of their shares."""
    for row in codes.to_dict("records"):
        of = contracts[row["table_name"]]
        column = of.field(row["column"])
        shares, alarm = row["check"] == "shares", row["result"] == "alarm"
        label = next((word for word, code in column.codes.items() if code == row["code"]), row["code"])
        facts = {
            "name": Text(of.label_zh, of.label_en),
            "column": Text(column.label_zh, column.label_en),
            "value": Text(label, row["code"]),
            "share": f"{row['value']:.0%}",
            **_shown({**row, "psi": row["value"]}),
        }
        yield Check(
            CODE_SHARES if shares else CODE, row["table_name"], row["result"], part=row["column"] + (f"={row['code']}" if row["code"] else ""),
            value=row["value"], past=row["past"], threshold=row["threshold"], n=float(row["n"]),
            said=_filled("drift.DRIFT009" if shares else f"drift.DRIFT008_{row['check']}", **facts) if alarm else None,
            on_list=_filled("drift_list.coding", **facts) if alarm else None,
        )  # fmt: skip


def unit_checks(units: pd.DataFrame, contracts: Mapping[str, Contract]) -> Iterator[Check]:
    """DRIFT010 of amounts."""
    for row in units.to_dict("records"):
        of = contracts[row["table_name"]]
        column = of.field(row["column"])
        alarm = row["result"] == "alarm"
        facts: dict[str, object] = {"name": Text(of.label_zh, of.label_en), "column": Text(column.label_zh, column.label_en)}
        if alarm:
            figures = {"now": f"{row['median']:.2f}", "before": f"{row['median_before']:.2f}"}
            facts |= {**figures, "ratio": f"{row['value']:.3g}", "unit": f"{nearest_unit(row['value']):g}"}
        yield Check(
            UNIT, row["table_name"], row["result"], part=row["column"], value=row["value"], past=row["past"],
            threshold=row["threshold"], n=float(row["n"]),
            said=_filled("drift.DRIFT010", **facts) if alarm else None,
            on_list=_filled("drift_list.unit", **facts) if alarm else None,
        )  # fmt: skip


def _untold(row: Mapping[Any, Any]) -> Text | None:
    """Why a figure beyond its threshold is no alarm."""
    return text("drift.short_history") if row["result"] == "cannot_tell" else None


def _shown(row: Mapping[Any, Any]) -> dict[str, str]:
    return {"index": f"{row['psi']:.2f}", "limit": f"{row['threshold']:.2f}"}


def _filled(key: str, **facts: object) -> Text:
    """The text of a key; facts that are texts are put in language by language."""
    zh, en = (
        {name: getattr(fact, language) if isinstance(fact, Text) else fact for name, fact in facts.items()}
        for language in ("zh", "en")
    )
    return Text(text(key, **zh).zh, text(key, **en).en)
