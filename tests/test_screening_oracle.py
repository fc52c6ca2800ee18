"""Categories of a simulated county against plain pandas and Python, made from the view's tables without the facts.

The two accounts come from `account_net`, which has oracles of its own; everything else is worked out again, household by household.
"""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from returnrisk.accounts import account_net
from returnrisk.policy import Policy, load_policy
from returnrisk.screening import categories, kept_facts
from returnrisk.store.view import View
from returnrisk.timeline import Window, add_months, month_start
from tests.feature_households import mini_store

YEAR = Window("trailing", 12)
DAYS = (dt.date(2021, 12, 31), dt.date(2022, 8, 31))


class Oracle:
    """Answers of one view by the national pack: True, False, or None."""

    def __init__(self, view: View, policy: Policy) -> None:
        self.view, self.policy, self.day = view, policy, view.day
        self.covered, self.arrived, self.of = (functools.cache(f) for f in (self._covered, self._arrived, self._of))
        self.tables = {n: self._rows(n) for n in ("household_roster", "household", "member", "disability", "medical", "expense", "asset",
                                                  "authorisation", "subsidy", "support", "monitoring", "disaster", "delivery", "income")}  # fmt: skip
        self.income_end = view.last_closed_on("income")
        self.cost_end = min(view.last_closed_on("medical"), view.last_closed_on("expense"))
        self.cost_start = YEAR.bounds(self.cost_end)[0]
        ends = [self.income_end, add_months(self.income_end, -12), add_months(self.income_end, -6)]
        self.accounts = {
            name: {(r["household_id"], r["ending_on"]): r
                   for r in account_net(view, account=name, ends=ends, window=YEAR, min_months=10, policy=policy).to_pyarrow().to_pylist()}
            for name in ("register_net", "assistance_countable")
        }  # fmt: skip
        self.members = {}
        for r in self.tables["household_roster"]:
            if (r["joined_on"] or dt.date.min) <= self.day <= (r["left_on"] or dt.date.max):
                self.members.setdefault(r["household_id"], set()).add(r["person_id"])
        self.state = {r["person_id"]: r for r in self.tables["member"]}
        self.town = {r["household_id"]: r["village_code"] // 1000 for r in self.tables["household"]}

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return self.view.table(name).to_pyarrow().to_pylist()

    def n(self, name: str) -> Decimal:
        return self.policy.number(name, self.day)

    def _covered(self, table: str, township: int, start: dt.date, end: dt.date) -> int:
        months = set()
        for r in self.tables["delivery"]:
            if (r["table_name"], r["township_code"]) == (table, township) and start <= r["period_start"] and r["period_end"] <= end:
                month = month_start(r["period_start"])
                while month <= r["period_end"]:
                    months.add(month)
                    month = add_months(month, 1)
        return len(months)

    def _arrived(self, table: str, township: int) -> bool:
        start = month_start(add_months(month_start(self.day), -11))
        return any(
            (r["table_name"], r["township_code"]) == (table, township)
            and r["period_end"] >= start
            and r["period_start"] <= self.day
            for r in self.tables["delivery"]
        )

    def head(self, account: str, h: int, end: dt.date) -> tuple[Decimal, int] | None:
        """Net of the window, and members × months; None where not computable."""
        r = self.accounts[account].get((h, end))
        start = YEAR.bounds(end)[0]
        has_row = any(
            i["household_id"] == h and start <= i["period_start"] and i["period_end"] <= end for i in self.of("income", h)
        )
        return (
            (r["net_cny"], r["n_members"] * r["months_delivered"], r["months_delivered"])
            if r and has_row and r["months_delivered"] >= 10
            else None
        )

    def _of(self, table: str, h: int) -> list[dict[str, Any]]:
        return [r for r in self.tables[table] if r["household_id"] == h]

    def below(self, h: int, line: Decimal, end: dt.date | None = None) -> bool | None:
        found = self.head("assistance_countable", h, end or self.income_end)
        return None if found is None else found[0] * 12 < line * found[1]

    def claims(self, h: int) -> list[dict[str, Any]]:
        spells = self.of("household_roster", h)
        return [
            c for c in self.tables["medical"]
            if self.cost_start <= c["treated_on"] <= self.cost_end
            and any(s["person_id"] == c["person_id"] and (s["joined_on"] or dt.date.min) <= c["treated_on"] <= (s["left_on"] or dt.date.max) for s in spells)
        ]  # fmt: skip

    def whole(self, table: str, h: int) -> bool:
        return self.covered(table, self.town[h], self.cost_start, self.cost_end) >= 12

    def severe(self, person: int, h: int) -> bool | None:
        held = [
            c
            for c in self.tables["disability"]
            if c["person_id"] == person and c["issued_on"] <= self.day <= (c["valid_until"] or dt.date.max)
        ]
        if held:
            if any(c["grade"] <= 2 or (c["grade"] == 3 and c["kind"] in ("mental", "intellectual")) for c in held):
                return True
            return None if any(c["grade"] == 3 and c["kind"] == "multiple" for c in held) else False
        grade = (self.state.get(person) or {}).get("disability_grade")
        if grade in (1, 2):
            return True
        if grade in (3, 9):
            return None
        return False if grade is not None or self.arrived("disability", self.town[h]) else None

    def assets_ok(self, h: int) -> bool | None:
        held = [a for a in self.of("authorisation", h) if a["scope"] == "asset_query" and a["granted_on"] <= self.day
                and (a["withdrawn_on"] is None or a["withdrawn_on"] > self.day) and (a["valid_until"] is None or a["valid_until"] >= self.day)]  # fmt: skip
        seen = [
            a for a in self.of("asset", h) if a["checked_on"] <= self.day and any(a["checked_on"] >= u["granted_on"] for u in held)
        ]
        if not seen:
            return None
        latest = max(a["checked_on"] for a in seen)
        value = {a["kind"]: a["value_cny"] for a in seen if a["checked_on"] == latest}
        rich = value.get("savings", 0) > self.n("savings_head_limit") * len(self.members[h])
        return not (rich or value.get("vehicle", 0) > 0 or value.get("business", 0) > 0)

    def receives(self, h: int) -> bool | None:
        rows = [s for s in self.of("subsidy", h) if s["programme"] == "dibao" and s["period_start"] <= self.day]
        if not self.arrived("subsidy", self.town[h]):
            return None
        return bool(rows) and max(rows, key=lambda s: s["period_start"])["status"] != "cancelled"

    def rigid(self, h: int) -> tuple[Decimal, bool]:
        rows = [e for e in self.of("expense", h) if self.cost_start <= e["period_start"] and e["period_end"] <= self.cost_end]
        total = {
            k: sum((e["amount_cny"] for e in rows if e["kind"] == k), Decimal(0))
            for k in ("illness", "disability_care", "elder_care", "disaster", "accident", "tuition")
        }
        illness = max(total.pop("illness"), sum((c["out_of_pocket_cny"] for c in self.claims(h)), Decimal(0)))
        whole = self.whole("medical", h) and self.whole("expense", h)
        serious = any_of([self.over_last_year(h, illness, whole=whole), self.listed_disease(h)])
        severe = any_of([self.severe(p, h) for p in self.members[h]])
        care = total.pop("disability_care")
        amount = (illness if serious else 0) + sum(total.values()) + (care if severe else 0)
        return amount, whole and (severe is not None or care == 0) and (serious is not None or illness == 0)

    def serious(self, h: int, *, of_one: bool) -> bool | None:
        claims, whole = self.claims(h), self.whole("medical", h)
        own = pd.Series([c["out_of_pocket_cny"] for c in claims], dtype=object)
        spent = (max(own.groupby([c["person_id"] for c in claims]).sum(), default=Decimal(0)) if of_one else own.sum()) or Decimal(
            0
        )
        return any_of([self.over_last_year(h, spent, whole=whole), self.listed_disease(h)])

    def over_last_year(self, h: int, spent: Decimal, *, whole: bool) -> bool | None:
        if whole and spent == 0:
            return False
        found = self.head("register_net", h, add_months(self.income_end, -12))
        if found is None:
            return None
        over = spent * found[2] > self.n("serious_illness_share") * max(found[0], Decimal(0)) * 12
        return True if over else (False if whole else None)

    def listed_disease(self, h: int) -> bool | None:
        claims = self.claims(h)
        if any(c["disease_listed"] for c in claims):
            return True
        return None if not self.whole("medical", h) or any(c["disease_listed"] is None for c in claims) else False

    def answers(self, h: int) -> dict[str, bool | None]:
        dibao, margin, regional = (self.n(x) for x in ("dibao_line", "dibao_margin_line", "regional_disposable_income"))
        assets, receives = self.assets_ok(h), self.receives(h)
        severe = any_of([self.severe(p, h) for p in self.members[h]])
        is_margin = all_of([negate(self.below(h, dibao)), self.below(h, margin), assets])
        capacities = [(self.state.get(p) or {}).get("labour_capacity") for p in self.members[h] if not self.is_child(p)]
        able = any(c in ("full", "weak") for c in capacities)
        not_tekun = True if able or self.below(h, dibao) is False else None
        found, (spent, known) = self.head("assistance_countable", h, self.income_end), self.rigid(h)
        room = None
        if found is not None:
            less = found[0] * 12 - spent * found[2] < margin * found[1]
            room = True if less else (False if known else None)
        then = add_months(self.income_end, -6)
        return {
            "dibao": all_of([self.below(h, dibao), assets]),
            "dibao_margin": is_margin,
            "single_dibao": all_of([is_margin, any_of([severe, self.serious(h, of_one=True)])]),
            "other_low_income": all_of([negate(self.below(h, margin)), self.below(h, self.n("other_low_income_line"))]),
            "gradual_exit": all_of(
                [receives, negate(self.below(h, dibao)), self.below(h, self.policy.number("dibao_line", then), then)]
            ),
            "expenditure_hardship": all_of([negate(receives), not_tekun, self.below(h, regional), room, assets]),
            "serious_illness": self.serious(h, of_one=False),
            "severe_disability": severe,
            "attention_several_disabled": self.several_disabled(h),
        }

    def several_disabled(self, h: int) -> bool | None:
        states = []
        for p in self.members[h]:
            grade = (self.state.get(p) or {}).get("disability_grade")
            held = any(
                c["person_id"] == p and c["issued_on"] <= self.day <= (c["valid_until"] or dt.date.max)
                for c in self.tables["disability"]
            )
            file = self.arrived("disability", self.town[h])
            states.append(True if held or (grade or 0) > 0 else (False if grade is not None or file else None))
        sure = states.count(True)
        return True if sure >= 2 else (False if sure + states.count(None) < 2 else None)

    def is_child(self, person: int) -> bool:
        born = (self.state.get(person) or {}).get("born_on")
        return born is not None and (self.day.year - born.year - ((self.day.month, self.day.day) < (born.month, born.day))) < 16


def negate(value: Any) -> bool | None:
    return None if value is None else not value


def all_of(values: list[bool | None]) -> bool | None:
    return False if False in values else (None if None in values else True)


def any_of(values: list[bool | None]) -> bool | None:
    return True if True in values else (None if None in values else False)


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS)
def test_a_simulated_county_against_plain_python(day: dt.date):
    policy, view = load_policy("national"), mini_store().as_of(day)
    with kept_facts(view, policy=policy) as facts:
        found = categories(facts, policy=policy, day=day).to_pandas()
    found = found.pivot(index="household_id", columns="category", values="answer")
    oracle = Oracle(view, policy)
    assert set(found.index) == set(oracle.members)
    seen = set()
    for h in found.index:
        for category, expected in oracle.answers(h).items():
            cell = found.loc[h, category]
            assert (None if pd.isna(cell) else bool(cell)) is expected, (h, category)
            seen.add((category, expected))
    assert {c for c, answer in seen if answer} >= {"serious_illness", "severe_disability", "other_low_income"}
    assert any(answer is None for _, answer in seen)
