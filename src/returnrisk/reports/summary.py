"""The minute a chief has: four figures and a few sentences, each true for the frames at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from returnrisk.reports import numbers
from returnrisk.reports.content import ReportContent, metric_context
from returnrisk.reports.tables import not_delivered
from returnrisk.reports.texts import Text, text


@dataclass(frozen=True, slots=True)
class Card:
    """One large figure with what it counts."""

    figure: str
    words: Text


def cards(frames: Mapping[str, pd.DataFrame], content: ReportContent) -> tuple[Card, ...]:
    """Households, those at risk, expected falls, households listed."""
    counts, expected = _counts(frames["strata"]), _expected(frames["strata"])
    counties = _counties(frames["make_up"])
    expected_key = "card.expected_at_end" if content.at_end else "card.expected"
    return (
        Card(numbers.count(counties["households"].sum()), text("card.households")),
        Card(counts["at_risk"], text("card.at_risk")),
        Card(f"≈{numbers.count(expected)}", text(expected_key, months=content.horizon_months)),
        Card(numbers.count(counties["listed"].sum()), text("card.listed")),
    )


def sentences(frames: Mapping[str, pd.DataFrame], content: ReportContent) -> tuple[Text, ...]:
    """Population, list, accuracy against income alone, missing tables."""
    counts, counties = _counts(frames["strata"]), _counties(frames["make_up"])
    when = text("summary.after") if content.at_end else text("summary.within")
    facts = {
        "households": numbers.count(counties["households"].sum()),
        "expected": numbers.count(_expected(frames["strata"])),
        "months": content.horizon_months,
    }
    said = [
        Text(
            zh=text("summary.population", when=when.zh, at_risk=counts["at_risk"], **facts).zh,
            en=text("summary.population", when=when.en, at_risk=counts["at_risk"], **facts).en,
        ),
        text("summary.apart", **{name: counts[name] for name in ("below_line", "not_computable", "monitored")}),
        _list_sentence(counties),
    ]
    if (by_lot := counties["random"].sum()) > 0:
        said.append(text("summary.by_lot", n=numbers.count(by_lot)))
    if (over := counties["over_capacity"].sum()) > 0:
        said.append(text("summary.over", n=numbers.count(over)))
    return (*said, *accuracy(frames, content), _delivery_sentence(frames["coverage"]))


def accuracy(frames: Mapping[str, pd.DataFrame], content: ReportContent) -> tuple[Text, ...]:
    """Ranking in words, the difference from income alone with what its interval allows to say, and the ground it stands on."""
    auc = frames["metrics"].query("metric == 'auc'").set_index("score")
    shown = {score: _chance(row) for score, row in auc.iterrows()}
    said = []
    if {"model", "income"} <= shown.keys():
        said.append(text("summary.auc", model=shown["model"], income=shown["income"]))
    elif "model" in shown:
        said.append(text("summary.auc_single", model=shown["model"]))
    compared = frames["differences"].query("metric == 'auc' and score == 'model' and baseline == 'income'")
    for row in compared.to_dict("records"):
        verdict = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "unclear"
        said.append(text(f"summary.{verdict}", difference=numbers.difference("auc", row["difference"], row["low"], row["high"])))
    ground = metric_context(frames["metrics"])
    figures = {name: numbers.count(ground[name]) for name in ("n", "n_events", "n_clusters")}
    said += _reached(frames)
    figures |= {"base_rate": numbers.share(ground["base_rate"], places=2), "level": numbers.share(content.level, places=0)}
    days = {"evaluated_from": str(content.evaluated_from), "evaluated_until": str(content.evaluated_until)}
    return (*said, text("summary.ground", **figures, **days))


def _reached(frames: Mapping[str, pd.DataFrame]) -> list[Text]:
    """What one horizon of lists was in time for, of the model beside income alone; nothing without lists."""
    if "reached" not in frames:
        return []
    of = {row["score"]: row for row in frames["reached"].to_dict("records")}
    if not {"model", "income"} <= of.keys():
        return []
    shares = {
        name: f"{numbers.share(row[column])} ({numbers.share(row[f'{column}_low'])}–{numbers.share(row[f'{column}_high'])})"
        for name, row, column in (
            ("reached", of["model"], "reached"),
            ("missed", of["model"], "missed"),
            ("income", of["income"], "missed"),
        )
    }
    first = of["model"]
    facts = {"falls": numbers.count(first["n_falls"]), "lists": numbers.count(first["n_lists"]), "days": int(first["lead_days"])}
    return [text("summary.reached", **facts, **shares)]


def _chance(row: pd.Series) -> str:
    """An AUC as the chance that it is."""
    return f"{numbers.share(float(row['value']))} ({numbers.share(float(row['low']))}–{numbers.share(float(row['high']))})"


def _counts(strata: pd.DataFrame) -> dict[str, str]:
    return {
        row["stratum"]: numbers.about(int(row["households_low"]), int(row["households_high"])) for row in strata.to_dict("records")
    }


def _expected(strata: pd.DataFrame) -> float:
    """Expected falls among those at risk: whoever is below the line already cannot fall."""
    return float(strata.loc[strata["stratum"] == "at_risk", "expected_falls"].sum())


def _counties(make_up: pd.DataFrame) -> pd.DataFrame:
    return make_up.loc[make_up["level"] == "county"]


def _list_sentence(counties: pd.DataFrame) -> Text:
    sums = counties[["listed", "must_visit_low", "must_visit_high", "model_low", "model_high", "left_out"]].sum()
    falls = counties[["expected_falls", "expected_falls_listed"]].sum()
    ranked = (sums["model_low"] + sums["model_high"]) / 2
    among = ranked + sums["left_out"]
    return text(
        "summary.list",
        listed=numbers.count(sums["listed"]),
        must_visit=numbers.about(int(sums["must_visit_low"]), int(sums["must_visit_high"])),
        model=numbers.about(int(sums["model_low"]), int(sums["model_high"])),
        share=numbers.share(ranked / among if among else None, places=0),
        reach=numbers.share(
            falls["expected_falls_listed"] / falls["expected_falls"] if falls["expected_falls"] else None, places=0
        ),
    )


def _delivery_sentence(coverage: pd.DataFrame) -> Text:
    missing = [row for row in coverage.to_dict("records") if not_delivered(row)]
    if not missing:
        return text("summary.complete")
    zh, en = "、".join(str(row["zh"]) for row in missing), ", ".join(str(row["table_name"]) for row in missing)
    return Text(zh=text("summary.missing", n=len(missing), names=zh).zh, en=text("summary.missing", n=len(missing), names=en).en)
