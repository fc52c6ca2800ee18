"""Screenings as tables: made by hand, or at random with everything that roll-up counts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from returnrisk.screening import CATEGORIES, CHECKS, STATES, IncomeScreening, Screening
from returnrisk.screening.cause_catalogue import CAUSES
from returnrisk.screening.facts import ARRIVING

DAY = dt.date(2024, 7, 28)
Row = dict[str, Any]
TOTALS: Row = {
    "verdict": "level",
    "same_verdict": "level",
    "same_last_cny": Decimal("100.00"),
    "same_this_cny": Decimal("100.00"),
    "last_cny": Decimal("200.00"),
    "projected_cny": Decimal("200.00"),
    "projected_head_cny_year": 9000.0,
    "line_cny_year": Decimal("7000.00"),
    "gap_target_cny": Decimal("0.00"),
}
ALERT: Row = {
    "title_zh": "住房", "title_en": "housing", "office": "住建局", "channel": "department", "must_visit": False, "state": "open",
    "due_on": DAY, "screened_on": DAY, "is_new": True,
}  # fmt: skip
RULES = ("housing", "water", "visit")


def villages(codes: list[int]) -> pd.DataFrame:
    rows = [{"village_code": c, "village_name": f"村{c % 1000}", "township_name": f"镇{c // 1000 % 1000}"} for c in codes]
    return pd.DataFrame(rows).assign(county_name="测试县")


def screening_of(homes: list[Row], *, alerts: list[Row] = (), problems: list[Row] = ()) -> Screening:  # type: ignore[assignment]
    """Of each home: household_id, village_code; and if it has them: monitored, risk_confirmed, missing (files that never came), totals,
    falls (sources), causes (code to yuan or None), categories (code to answer), state, checks (code to result)."""
    place = {h["household_id"]: {"village_code": h["village_code"], "township_code": h["village_code"] // 1000} for h in homes}
    at = [{"household_id": h["household_id"], **place[h["household_id"]]} for h in homes]
    households = [
        {**a, "monitored": h.get("monitored", False), "risk_confirmed": h.get("risk_confirmed")}
        | {f"arrived_{t}": t not in h.get("missing", ()) for t in ARRIVING}
        for a, h in zip(at, homes, strict=True)
    ]
    both = list(zip(at, homes, strict=True))
    numbers = {c.code: c.number for c in CAUSES}
    tables = {
        "households": households,
        "categories": [
            {"household_id": h["household_id"], "category": c, "answer": v}
            for h in homes
            for c, v in h.get("categories", {}).items()
        ],
        "elimination": [{"household_id": h["household_id"], "state": h["state"]} for h in homes if "state" in h],
        "checks": [
            {"household_id": h["household_id"], "code": c, "result": v} for h in homes for c, v in h.get("checks", {}).items()
        ],
        "input_problems": list(problems),
        "totals": [{**a, **TOTALS, **h["totals"]} for a, h in both if "totals" in h],
        "changes": [{**a, "source": s, "verdict": "fall"} for a, h in both for s in h.get("falls", ())],
        "causes": [
            {**a, "cause": c, "number": numbers[c], "explained_cny": y} for a, h in both for c, y in h.get("causes", {}).items()
        ],
    }
    made = {name: _table(name, rows) for name, rows in tables.items()}
    income = {name: made.pop(name) for name in ("totals", "changes", "causes")}
    ledger = [{**ALERT, "alert_id": f"a{i}", **place[a["household_id"]], **a} for i, a in enumerate(alerts)]
    columns = ["alert_id", "rule", "household_id", "village_code", "township_code", *ALERT]
    rules = pd.DataFrame([{"rule": r, "title_zh": r, "title_en": r, "office": "某局", "channel": "department"} for r in RULES])
    return Screening(
        day=DAY,
        pack="national",
        check_counts=pd.DataFrame(),
        input_counts=pd.DataFrame(),
        alerts=pd.DataFrame(ledger, columns=columns),
        rules=rules,
        alert_yield=None,
        income=IncomeScreening(day=DAY, comparison=None, measures=pa.table({}), **income),  # type: ignore[arg-type]
        **made,
    )


def _table(name: str, rows: list[Row]) -> pa.Table:
    types: dict[str, Any] = {
        **dict.fromkeys(("household_id", "village_code", "township_code"), pa.int64()),
        **dict.fromkeys(("monitored", "risk_confirmed", "sets_aside", *(f"arrived_{t}" for t in ARRIVING)), pa.bool_()),
        "answer": pa.int8(),
        "projected_head_cny_year": pa.float64(),
        "number": pa.int64(),
    }
    of = {
        "households": ["household_id", "village_code", "township_code", "monitored", "risk_confirmed", *(f"arrived_{t}" for t in ARRIVING)],
        "categories": ["household_id", "category", "answer"],
        "elimination": ["household_id", "state"],
        "checks": ["household_id", "code", "result"],
        "input_problems": ["household_id", "village_code", "sets_aside"],
        "totals": ["household_id", "village_code", "township_code", *TOTALS],
        "changes": ["household_id", "village_code", "township_code", "source", "verdict"],
        "causes": ["household_id", "village_code", "township_code", "cause", "number", "explained_cny"],
    }  # fmt: skip
    fields = [(c, types.get(c, pa.decimal128(18, 2) if "_cny" in c else pa.string())) for c in of[name]]
    return pa.Table.from_pylist([{c: row.get(c) for c in of[name]} for row in rows], schema=pa.schema(fields))


def random_screening(seed: int, sizes: list[int]) -> tuple[Screening, pd.DataFrame]:
    """A screening of townships of so many households, each of two villages; and the villages."""
    rng = np.random.default_rng(seed)
    codes = [999901101201 + 1000 * t + v for t in range(len(sizes)) for v in range(2)]
    rare = rng.uniform(0.01, 0.4, size=6)
    homes, alerts = [], []
    for t, size in enumerate(sizes):
        missing = [str(name) for name in ARRIVING if rng.random() < 0.15]
        for _ in range(size):
            home = _random_home(rng, rare) | {"household_id": len(homes) + 1, "missing": missing}
            home["village_code"] = codes[2 * t + int(rng.random() < 0.3)]
            homes.append(home)
            alerts += [a | {"household_id": home["household_id"]} for a in _random_alerts(rng, rare)]
    aside = [
        {"household_id": 10_000 + i, "village_code": codes[int(rng.integers(len(codes)))], "sets_aside": True}
        for i in range(int(rng.integers(0, 9)))
    ]
    return screening_of(homes, alerts=alerts, problems=aside), villages(codes)


def _random_home(rng: np.random.Generator, rare: Any) -> Row:
    home: Row = {"monitored": bool(rng.random() < rare[0])}
    if home["monitored"]:
        home["state"] = [*STATES, None][int(rng.choice(4, p=[0.6, 0.25, 0.1, 0.05]))]
        home["checks"] = {c.code: str(rng.choice(["problem", "fine", "cannot_tell"], p=[0.2, 0.7, 0.1])) for c in CHECKS[:2]}
    answers = rng.choice([0, 1, 2], size=2, p=[0.9 - rare[1], rare[1], 0.1])
    home["categories"] = {c.code: None if a == 2 else int(a) for c, a in zip(CATEGORIES[:2], answers, strict=True)}
    if rng.random() < 0.6:
        home |= _random_income(rng, rare)
    return home


def _random_income(rng: np.random.Generator, rare: Any) -> Row:
    verdict = str(rng.choice(["fall", "level", "rise", "unknown"], p=[rare[2], 0.2, 0.77 - rare[2], 0.03]))
    same = (
        str(rng.choice(["fall", "level", "unknown"], p=[0.3, 0.5, 0.2]))
        if verdict == "unknown"
        else str(rng.choice(["fall", "level"], p=[0.3, 0.7]))
    )
    money = [Decimal(int(n)).scaleb(-2) for n in rng.integers(1, 10**6, size=5)]
    totals: Row = {
        "verdict": verdict,
        "same_verdict": same,  # whose year can be judged, has the same period on file
        **dict(zip(("same_last_cny", "same_this_cny", "last_cny", "projected_cny"), money[:4], strict=True)),
        "projected_head_cny_year": float(rng.uniform(5000, 30000)),
        "gap_target_cny": money[4] if verdict == "fall" or rng.random() < 0.1 else Decimal("0.00"),
    }
    falls = [s for s in ("operating", "wage", "property", "transfer") if rng.random() < rare[3]]
    causes: Row = {}
    if falls or verdict == "fall":
        named = rng.choice(len(CAUSES), size=int(rng.integers(1, 4)), replace=False)
        causes = {CAUSES[int(i)].code: Decimal("12.50") if rng.random() < 0.7 else None for i in sorted(named)}
    return {"totals": totals, "falls": falls, "causes": causes}


def _random_alerts(rng: np.random.Generator, rare: Any) -> list[Row]:
    states = ["open", "visited", "verified_risk", "verified_none", "closed"]
    rows = []
    for rule in RULES[:2]:
        for _ in range(int(rng.binomial(2, rare[4]))):
            new = bool(rng.random() < 0.5)
            due = DAY - dt.timedelta(days=int(rng.integers(-5, 3)))
            rows.append(
                {"rule": rule, "state": str(rng.choice(states)), "is_new": new, "due_on": due, "must_visit": rule == "water"}
            )
    return rows
