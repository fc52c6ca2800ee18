"""Alerts over time: ids, what is new, findings, closing, ledger, yield; five rules against plain pandas."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest

from returnrisk.errors import DataError, UsageError
from returnrisk.policy import (
    CategoryFact,
    Condition,
    FactWindow,
    GuaranteeFact,
    TableFact,
)
from returnrisk.screening.alert_ledger import RAISED_COLUMNS, alert_states, merge_alerts, read_alerts, write_alerts
from returnrisk.screening.alert_yield import alert_yield
from returnrisk.screening.alerts import raise_alerts
from returnrisk.store.view import View
from tests.alert_county import (
    CALM,
    DAY,
    FIRED,
    POLICY,
    VILLAGE,
    categories_of,
    claims,
    county,
    disaster,
    facts_of,
    raised,
    rule_of,
    shipped,
    store_for,
    table_fact,
)
from tests.feature_households import Tables, copy_rows, day, rough_rows, rough_store, store_of

# -- ids, since, known -------------------------------------------------------------------------------------------------------------

OVER = table_fact("medical", "sum", "out_of_pocket_cny", comparison="over", number=1000)


def test_later_records_and_another_order_of_rows_change_no_id():
    tables = claims(600, 500, 50)
    first = raised(tables, rule_of(OVER), on=dt.date(2024, 3, 31)).alerts
    assert list(first["records"]) == ["medical:claim_id=1;medical:claim_id=2"]
    assert list(first["raised_on"]) == [dt.date(2024, 2, 15)]
    shuffled = {name: rows[::-1] for name, rows in copy_rows(tables).items()}
    for on in (dt.date(2024, 4, 30), DAY):
        later = raised(shuffled, rule_of(OVER), on=on).alerts
        assert list(later["alert_id"]) == list(first["alert_id"])
        assert list(later["raised_on"]) == list(first["raised_on"])
        assert raised(shuffled, rule_of(OVER), on=on, known=first).alerts.empty


def test_each_new_event_is_an_alert_of_its_own_and_since_keeps_those_recorded_from_the_day_on():
    c = county()
    c.household(FIRED, VILLAGE)
    disaster(c, FIRED)
    one = raised(c.tables, shipped()["emergency"]).alerts
    c.tables["disaster"].append({**c.tables["disaster"][0], "happened_on": day("2024-07-25"), "recorded_on": day("2024-07-30")})
    two = raised(c.tables, shipped()["emergency"]).alerts
    assert len(two) == 2
    assert set(one["alert_id"]) < set(two["alert_id"])
    assert list(raised(c.tables, shipped()["emergency"], since=dt.date(2024, 7, 30)).alerts["raised_on"]) == [dt.date(2024, 7, 30)]
    assert len(raised(c.tables, shipped()["emergency"], known=one).alerts) == 1


def test_nothing_recorded_after_the_day_matters():
    tables = claims(600, 500)
    tables["medical"][1]["recorded_on"] = DAY + dt.timedelta(days=1)
    assert raised(tables, rule_of(OVER)).alerts.empty
    tables["medical"][1]["recorded_on"] = DAY
    assert len(raised(tables, rule_of(OVER)).alerts) == 1


def test_a_category_that_cannot_be_told_raises_nothing_and_is_counted():
    c = county()
    c.household(FIRED, VILLAGE)
    found = raised(c.tables, rule_of(CategoryFact("dibao", answer=True)), categories=categories_of({(FIRED, "dibao"): None}))
    assert found.alerts.empty
    assert found.rules.iloc[0]["n_cannot_tell"] == 1
    with pytest.raises(UsageError, match="hand ask for a category"):
        raised(c.tables, rule_of(CategoryFact("dibao", answer=True)))


# -- over time ---------------------------------------------------------------------------------------------------------------------


def visited(tables: Tables, on: str, finding: str) -> None:
    tables["visit"].append({"household_id": FIRED, "visited_on": day(on), "finding": finding, "recorded_on": day(on)})


def state_after(tables: Tables, alerts: pd.DataFrame, on: dt.date) -> str:
    return str(alert_states(store_for(tables).as_of(on), alerts)["state"].iloc[0])


def test_a_finding_verifies_and_only_the_county_s_approval_closes():
    tables = claims(600, 500)
    alerts = raised(tables, rule_of(OVER), on=dt.date(2024, 3, 31)).alerts
    visited(tables, "2024-03-10", "no_risk")  # after the deciding claim was recorded, before anybody knew of an alert
    visited(tables, "2024-04-05", "not_at_home")
    visited(tables, "2024-04-10", "risk_confirmed")
    visited(tables, "2024-06-10", "no_risk")
    closure = {"alert_id": alerts["alert_id"].iloc[0], "applied_by": "medical_insurance", "applied_on": day("2024-06-20")}
    tables["alert_closure"] = [
        {**closure, "approved_on": None, "recorded_on": day("2024-06-20")},
        {**closure, "approved_on": day("2024-07-01"), "recorded_on": day("2024-07-02")},
    ]
    states = {
        "2024-03-31": "open",
        "2024-04-04": "open",
        "2024-04-05": "visited",
        "2024-05-31": "verified_risk",
        "2024-06-30": "verified_none",
    }
    states |= {"2024-07-01": "verified_none", "2024-07-02": "closed"}
    assert {d: state_after(tables, alerts, day(d)) for d in states} == states


def test_a_state_recorded_anew_after_its_closure_is_raised_again_and_otherwise_never():
    c = county()
    c.household(FIRED, VILLAGE, housing_grade="D")
    rule, facts = rule_of(GuaranteeFact("housing", missing=True)), {"held_housing": {FIRED: False}}
    first = raised(c.tables, rule, facts=facts).alerts
    closure = {
        "alert_id": first["alert_id"].iloc[0],
        "applied_by": "housing",
        "applied_on": day("2024-03-01"),
        "approved_on": day("2024-03-10"),
    }
    c.tables["alert_closure"] = [{**closure, "recorded_on": day("2024-03-10")}]
    assert raised(c.tables, rule, facts=facts, known=first).alerts.empty
    c.tables["household"].append({**c.tables["household"][0], "recorded_on": day("2024-05-01")})
    again = raised(c.tables, rule, facts=facts, known=first).alerts
    assert len(again) == 1
    assert set(again["alert_id"]).isdisjoint(first["alert_id"])
    assert raised(c.tables, rule, facts=facts, known=merge_alerts(first, again)).alerts.empty


def test_the_ledger_keeps_the_first_and_writes_the_same_bytes(tmp_path):
    tables = claims(600, 500)
    early, late = (raised(tables, rule_of(OVER), on=on).alerts for on in (dt.date(2024, 3, 31), DAY))
    ledger = merge_alerts(merge_alerts(None, early), late)
    assert list(ledger["screened_on"]) == [dt.date(2024, 3, 31)]
    path = write_alerts(tmp_path / "alerts.csv", ledger)
    read = read_alerts(path)
    assert read is not None
    assert list(read.columns) == list(RAISED_COLUMNS)
    assert write_alerts(tmp_path / "again.csv", read).read_bytes() == path.read_bytes()
    assert raised(tables, rule_of(OVER), known=read).alerts.empty
    assert read_alerts(tmp_path / "none.csv") is None


@pytest.mark.parametrize(
    ("column", "was", "becomes", "lost"),
    [
        ("screened_on", "2024-03-31", "2024/3/31", False),
        ("must_visit", "True", "TRUE", False),
        ("screened_on", "2024-03-31", "45382", True),
        ("screened_on", "2024-03-31", "31/03/2024", True),
        ("due_on", "2024-04-15", "", True),
        ("household_id", "0000-0000-00035", "101", True),
        ("household_id", "0000-0000-00035", "4.98E+18", True),
        ("household_id", "0000-0000-00035", "", True),
        ("village_code", "999902001001", "9.99902E+11", True),
        ("records", "medical:claim_id=1;medical:claim_id=2", "", True),
        ("must_visit", "True", "1", True),
        ("alert_id", None, "a12345", True),
    ],
)
def test_a_ledger_that_an_office_program_saved_is_read_whole_or_refused(tmp_path, column, was, becomes, lost):
    ledger = merge_alerts(None, raised(claims(600, 500), rule_of(OVER), on=dt.date(2024, 3, 31)).alerts)
    path = write_alerts(tmp_path / "ledger.csv", ledger)
    was = was or str(ledger["alert_id"].iloc[0])
    text = path.read_text("utf-8-sig")
    heading, row = text.splitlines()
    assert f",{row},".count(f",{was},") == 1, column
    path.write_text(f"{heading}\n" + f",{row},".replace(f",{was},", f",{becomes},")[1:-1] + "\n", "utf-8-sig")
    if not lost:
        assert read_alerts(path).equals(ledger.astype(read_alerts(path).dtypes))
        return
    with pytest.raises(DataError, match=rf"1 cells of {column} .*lines 2: ") as refused:
        read_alerts(path)
    assert len(becomes) < 2 or becomes not in str(refused.value)


def test_yield_counts_households_of_the_named_months():
    c = county()
    for h in (FIRED, CALM, 103, 104):
        c.household(h, VILLAGE)
    for h in (FIRED, CALM, 103, 104):
        c.tables["disaster"].append(
            {
                "household_id": h,
                "hazard_kind": "accident",
                "happened_on": day("2024-07-02"),
                "loss_cny": 9,
                "recorded_on": day("2024-07-03"),
            }
        )
    c.tables["visit"] += [
        {"household_id": h, "visited_on": day(on), "finding": f, "recorded_on": day(on)}
        for h, on, f in (
            (FIRED, "2024-07-08", "risk_confirmed"),
            (CALM, "2024-07-09", "no_risk"),
            (103, "2024-07-05", "risk_confirmed"),  # between the record and the screening
            (103, "2024-07-09", "not_at_home"),
        )
    ]
    c.monitoring(FIRED, "2024-07-10", "disaster")
    c.monitoring(CALM, "2024-07-06", "disaster")  # on the day of the screening
    c.monitoring(104, "2023-01-10", "illness")
    view = store_for(c.tables).as_of(DAY)
    alerts = raised(c.tables, shipped()["emergency"], on=dt.date(2024, 7, 6)).alerts
    found = alert_yield(view, alerts, months=[DAY])
    assert (found.unit, found.months) == ("households", ("2024-07",))
    assert "2024-07" in found.label_zh
    row = found.frame.set_index("rule").loc["*"]
    names = ["n_alerts", "n_households", "n_visited", "n_verified", "n_verified_risk", "n_unregistered", "n_registered"]
    assert [int(row[n]) for n in names] == [4, 4, 3, 2, 1, 2, 1]
    assert row["share_registered"] == pytest.approx(1 / 2)
    assert row["low_registered"] < 1 / 2 < row["high_registered"]
    assert alert_yield(view, alerts, months=[dt.date(2024, 6, 1)]).frame["n_alerts"].tolist() == [0]
    today = raised(c.tables, shipped()["emergency"]).alerts
    assert alert_yield(view, today, months=[DAY]).frame["n_alerts"].tolist() == [0]


# -- against plain pandas ----------------------------------------------------------------------------------------------------------


def _lived(rows: pd.DataFrame, roster: pd.DataFrame, date: str) -> pd.DataFrame:
    """Rows about persons with the household they lived in on the row's day."""
    t = rows.merge(roster[["household_id", "person_id", "joined_on", "left_on"]], on="person_id")
    here = (t["joined_on"].isna() | (t["joined_on"] <= t[date])) & (t["left_on"].isna() | (t["left_on"] >= t[date]))
    return t[here].drop_duplicates([*rows.columns, "household_id"])


def test_five_rules_agree_with_plain_pandas_on_a_simulated_county():
    on = dt.date(2022, 7, 31)
    view = rough_store().as_of(on)
    tables = {n: view.table(n).to_pandas() for n in ("household", "household_roster", "medical", "subsidy", "employment", "disaster", "disability", "delivery")}  # fmt: skip
    for t in tables.values():
        for c in [c for c in t.columns if c.endswith("_on") or c in {"period_start", "period_end", "valid_until"}]:
            t[c] = pd.to_datetime(t[c])
    homes, roster = tables["household"].set_index("household_id"), tables["household_roster"]
    town = homes["village_code"] // 1000
    inpatient = (Condition("kind", values=("inpatient",)),)
    dibao = (Condition("programme", values=("dibao",)), Condition("status", values=("granted", "reduced")))
    rules = [
        rule_of(table_fact("medical", "sum", "out_of_pocket_cny", where=inpatient, comparison="over", number=500), name="sum", registered=("general",)),
        rule_of(table_fact("subsidy", "exists", wanted=False, where=dibao, window=FactWindow("months", 3)), name="absent"),
        rule_of(table_fact("employment", "exists", per="person", where=(Condition("end_reason", values=("dismissed", "contract_ended")),), window=FactWindow("months", 6), date="ended_on"), name="job"),
        rule_of(table_fact("disaster", "count", comparison="at_least", number=1, window=FactWindow("days", 300), date="happened_on"), name="count"),
        rule_of(table_fact("disability", "latest", "grade", per="person", window=FactWindow("now"), comparison="is", answers=(1, 2)), name="latest"),
    ]  # fmt: skip
    found = raise_alerts(view, policy=POLICY, facts=facts_of(view), rules=rules)

    def came(table: str, first: str, last: str) -> set[int]:
        d = tables["delivery"]
        d = d[d["table_name"] == table]
        months = pd.period_range(first, last, freq="M")
        covered = {(r.township_code, m) for r in d.itertuples() for m in pd.period_range(r.period_start, r.period_end, freq="M")}
        return {t for t in d["township_code"].unique() if all((t, m) in covered for m in months)}

    def recent(table: str) -> set[int]:
        d = tables["delivery"]
        return set(
            d.loc[
                (d["table_name"] == table) & (d["period_end"] >= "2021-08-01") & (d["period_start"] <= "2022-07-31"),
                "township_code",
            ]
        )

    year = _lived(
        tables["medical"][
            lambda t: (t["treated_on"] >= "2022-01-01") & (t["treated_on"] <= "2022-07-31") & (t["kind"] == "inpatient")
        ],
        roster,
        "treated_on",
    )
    sums = year.groupby("household_id")["out_of_pocket_cny"].sum()
    general = set(homes.index[homes["registered_type"] == "general"])
    expected = {"sum": set(sums.index[sums > 500]) & general}
    whole = set(town.index[town.isin(came("medical", "2022-01", "2022-05"))])
    open_ones = {"sum": general - expected["sum"] - whole}
    s = tables["subsidy"]
    s = s[
        (s["period_start"] >= "2022-04-01")
        & (s["period_start"] <= "2022-07-31")
        & (s["programme"] == "dibao")
        & s["status"].isin(["granted", "reduced"])
    ]
    rest = set(homes.index) - set(s["household_id"])
    expected["absent"] = rest & set(town.index[town.isin(came("subsidy", "2022-04", "2022-06"))])
    open_ones["absent"] = rest - expected["absent"]
    e = tables["employment"]
    e = e[(e["ended_on"] >= "2022-01-01") & (e["ended_on"] <= "2022-07-31") & e["end_reason"].isin(["dismissed", "contract_ended"])]
    expected["job"] = set(_lived(e, roster, "ended_on")["household_id"]) & set(homes.index)
    d = tables["disaster"]
    expected["count"] = set(d.loc[(d["happened_on"] > "2021-10-04") & (d["happened_on"] <= "2022-07-31"), "household_id"])
    b = tables["disability"]
    b = b[
        (b["issued_on"] <= "2022-07-31") & (b["valid_until"].isna() | (b["valid_until"] >= "2022-07-31")) & b["grade"].isin([1, 2])
    ]
    expected["latest"] = set(_lived(b.assign(today=pd.Timestamp(on)), roster, "today")["household_id"]) & set(homes.index)
    open_ones["count"] = set(homes.index) - expected["count"] - set(town.index[town.isin(recent("disaster"))])
    for name, households in expected.items():
        assert set(found.alerts.loc[found.alerts["rule"] == name, "household_id"]) == households, name
    n_open = found.rules.set_index("rule")["n_cannot_tell"]
    assert {n: n_open[n] for n in open_ones} == {n: len(h) for n, h in open_ones.items()}
    assert min(map(len, expected.values())) > 0
    assert n_open["sum"] > 0


def test_without_the_rows_recorded_after_the_day_a_simulated_county_gives_the_same_alerts():
    on = dt.date(2022, 3, 31)
    rules = [r for r in shipped().values() if all(isinstance(f, TableFact) for f in r.facts) and "category" not in r.group]
    known = {name: [row for row in rows if row["recorded_on"] <= on] for name, rows in rough_rows().items()}
    assert sum(map(len, known.values())) < sum(map(len, rough_rows().values()))

    def found(view: View) -> pd.DataFrame:
        return raise_alerts(view, policy=POLICY, facts=facts_of(view), rules=rules).alerts

    whole = found(rough_store().as_of(on))
    assert len(whole) > 20
    pd.testing.assert_frame_equal(found(store_of("alerts-known", known).as_of(on)), whole)
