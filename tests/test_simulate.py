"""The simulated county: it keeps the contracts, resumes exactly, and does what docs/simulator.md says."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from returnrisk.contracts import load_contracts
from returnrisk.errors import ConfigError, StoreError, UnknownNameError
from returnrisk.simulate import (
    default_parameters,
    initial_state,
    load_parameters,
    load_state,
    month_rng,
    planted_faults,
    simulate_county,
    step,
    write_inbox,
)
from returnrisk.simulate.parameters import PARAMETER_FILE
from returnrisk.simulate.state import STATE_SCHEMA, Item

START = dt.date(2021, 1, 1)
ANNUAL_FALL_RATE = (0.02, 0.04)
GB11643_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@pytest.fixture(scope="module")
def county():
    return simulate_county(n_households=600, months=24, start=START, seed=4)


@pytest.fixture(scope="module")
def large():
    return simulate_county(n_households=5000, months=48, start=dt.date(2019, 10, 1), seed=0)


@pytest.fixture(scope="module")
def unsupported():
    parameters = default_parameters().changed({"support.targeted": False})
    return simulate_county(n_households=5000, months=48, start=dt.date(2019, 10, 1), seed=0, parameters=parameters)


def by_month(county, column):
    """Months by households; where a household had no member: False, or missing."""
    wide = county.truth.pivot(index="month_end", columns="household_id", values=column)
    if county.truth[column].dtype == bool:
        return wide.fillna(value=False).to_numpy(dtype=bool)
    return wide.to_numpy()


def annual_falls(county):
    """At-risk households by quarter end, and which of them fall on a quarter end of the next 12 months."""
    net, line = by_month(county, "net_per_head_cny"), by_month(county, "line_cny_year")
    below, exists, monitored = net < line, ~np.isnan(net), by_month(county, "monitored")
    ends = pd.DatetimeIndex(np.sort(county.truth["month_end"].unique()))
    quarters = [i for i, end in enumerate(ends) if end.month % 3 == 0]
    at_risk, falls = [], []
    for place, now in enumerate(quarters[:-4]):
        risk = exists[now] & ~monitored[now] & ~below[now]
        at_risk.append(risk)
        falls.append(risk & below[quarters[place + 1 : place + 5]].any(axis=0))
    return np.array(at_risk), np.array(falls)


# --- contracts -------------------------------------------------------------------------------------------------------------------


NOT_SIMULATED = {"alert_closure"}
"""Closures name alerts, and alerts are this package's own answer to a county's files."""


@pytest.mark.parametrize("table", sorted(set(load_contracts()) - NOT_SIMULATED))
def test_every_table_keeps_its_contract(county, table):
    contract, frame = load_contracts()[table], county.tables[table]
    assert list(frame.columns) == [name for name in contract.columns if name in frame]
    assert {field.name for field in contract.fields if field.required} <= set(frame.columns)
    assert len(frame) > 0
    for field in (f for f in contract.fields if f.name in frame):
        values = frame[field.name]
        if not field.required and values.isna().all():
            continue
        assert not (field.required and values.isna().any()), field.name
        if field.type == "date":
            assert values.dtype == "datetime64[s]", field.name
        if field.valid_values is not None:
            assert set(values.dropna()) <= set(field.valid_values), field.name
        if field.minimum is not None:
            assert values.dropna().min() >= field.minimum, field.name
        if field.maximum is not None:
            assert values.dropna().max() <= field.maximum, field.name
        if field.source_pattern is not None:
            assert values.dropna().astype(str).str.fullmatch(field.source_pattern).all(), field.name
        if field.references is not None:
            parent, column = field.references
            assert set(values.dropna()) <= set(county.tables[parent][column]), field.name
    assert not frame.duplicated([*contract.key, "recorded_on"]).any()
    for rule in contract.row_rules:
        both = frame[[rule.left, rule.right]].dropna()
        assert (both[rule.left] <= both[rule.right]).all(), rule


def test_all_codes_occur_that_the_process_can_produce(large):
    for table, column in (("medical", "kind"), ("support", "measure"), ("monitoring", "category"), ("subsidy", "status")):
        field = load_contracts()[table].field(column)
        assert set(large.tables[table][column]) == set(field.valid_values)


def test_identity_numbers_are_valid_and_nobodys(county):
    numbers = county.tables["household_roster"]["person_id"].drop_duplicates()
    for number in numbers.sample(200, random_state=1):
        total = sum(int(digit) * weight for digit, weight in zip(number[:17], GB11643_WEIGHTS, strict=True))
        assert "10X98765432"[total % 11] == number[17]
        assert number.startswith("9999")
    members = county.tables["member"]
    assert (members["person_id"].str.slice(6, 14) == members["born_on"].dt.strftime("%Y%m%d")).all()
    assert ((members["person_id"].str.slice(16, 17).astype(int) % 2 == 1) == (members["sex"] == "male")).all()
    assert county.tables["identity"]["head_name"].str.contains("模拟").all()
    assert county.tables["identity"]["phone"].str.fullmatch("100[0-9]{8}").all()


def test_every_bill_adds_up(county):
    claims = county.tables["medical"]
    parts = ["basic_paid_cny", "serious_paid_cny", "commercial_paid_cny", "aid_paid_cny", "out_of_pocket_cny"]
    assert np.allclose(claims[parts].fillna(0).sum(axis=1), claims["total_cny"], atol=0.005)
    assert (claims[parts].fillna(0) >= 0).all(axis=None)
    assert (claims["serious_paid_cny"] > 0).any()
    assert (claims["aid_paid_cny"] > 0).any()


def test_truth_is_what_the_ledger_adds_up_to():
    parameters = default_parameters().changed({"reporting.p_township_missing": 0.0})
    county = simulate_county(n_households=200, months=14, start=START, seed=2, parameters=parameters)
    key = ["household_id", "source", "item", "period_start"]
    income = county.tables["income"].sort_values("recorded_on", kind="stable").drop_duplicates(key, keep="last")
    income = income.assign(net=income["gross_cny"] - income["cost_cny"])
    last_year = income[income["period_start"] >= "2021-03-01"].groupby("household_id")["net"].sum()
    truth = county.truth[county.truth["month_end"] == "2022-02-28"].set_index("household_id")
    roster = county.tables["household_roster"]
    changed = roster[roster["person_id"].map(roster.groupby("person_id")["household_id"].nunique()) > 1]["household_id"]
    truth = truth[~truth.index.isin(changed)]  # a split or a join takes its share of the past along
    assert len(truth) > 150
    last_year = last_year[last_year.index.isin(truth.index)]
    pd.testing.assert_series_equal(last_year.reindex(truth.index, fill_value=0.0), truth["net_12m_cny"], check_names=False)
    assert np.allclose(truth["net_12m_cny"] / truth["n_members"], truth["net_per_head_cny"])


def test_every_household_of_the_truth_has_members_and_one_head(large):
    assert large.truth["n_members"].min() >= 1
    persons = large.state.persons
    heads = np.bincount(persons.household, persons.present & (persons.relation == 0), large.state.n_households)
    members = np.bincount(persons.household, persons.present, large.state.n_households)
    assert (heads == (members > 0)).all()
    replaced = large.tables["identity"].groupby("household_id").size()
    assert (replaced > 1).any()  # a head died and the household went on


# --- time and files --------------------------------------------------------------------------------------------------------------


def test_records_are_late_but_never_early(county):
    income, medical = county.tables["income"], county.tables["medical"]
    first = income.sort_values("recorded_on", kind="stable").drop_duplicates(["household_id", "source", "item", "period_start"])
    delay = (first["recorded_on"] - first["period_end"]).dt.days
    assert delay.min() >= 15
    assert delay.max() <= 75
    assert 0.01 < (delay > 40).mean() < 0.03
    assert (medical["recorded_on"] - medical["treated_on"]).dt.days.between(10, 40).mean() > 0.999
    for table in ("monitoring", "support", "household_roster", "member"):
        assert county.tables[table]["recorded_on"].min() >= pd.Timestamp(START)


def test_a_person_is_on_the_roster_before_anything_else_is_filed(county):
    known = county.tables["household_roster"].groupby("person_id")["recorded_on"].min()
    for table in ("member", "medical"):
        frame = county.tables[table]
        assert (frame["recorded_on"] >= frame["person_id"].map(known)).all(), table


def test_corrections_change_the_amount_of_one_item_later(large):
    income = large.tables["income"]
    key = ["household_id", "source", "item", "period_start"]
    twice = income[income.duplicated(key, keep=False)].sort_values([*key, "recorded_on"])
    first, second = twice.iloc[0::2], twice.iloc[1::2]
    assert len(first) == len(second) > 500
    assert (first[key].to_numpy() == second[key].to_numpy())[:, [0, 1, 2, 3]].all()
    assert (first["gross_cny"].to_numpy() != second["gross_cny"].to_numpy()).all()
    assert (first["recorded_on"].to_numpy() < second["recorded_on"].to_numpy()).all()


def test_a_township_whose_ledger_never_came_has_no_rows_and_no_delivery():
    parameters = default_parameters().changed({"reporting.p_township_missing": 0.15})
    county = simulate_county(n_households=400, months=8, start=START, seed=3, parameters=parameters)
    village = county.tables["household"].drop_duplicates("household_id").set_index("household_id")["village_code"]
    income, delivery = county.tables["income"], county.tables["delivery"]
    arrived = delivery[delivery["table_name"] == "income"]
    told = set(zip(arrived["township_code"], arrived["period_start"], strict=True))
    found = set(zip(income["household_id"].map(village) // 1000, income["period_start"], strict=True))
    assert told == found
    assert len(told) < 8 * delivery["township_code"].nunique()


def test_inbox_is_the_same_bytes_and_every_header_is_known(county, tmp_path):
    once = write_inbox(county, tmp_path / "once")
    again = write_inbox(simulate_county(n_households=600, months=24, start=START, seed=4), tmp_path / "again")
    assert [p.name for p in once] == [p.name for p in again]
    for left, right in zip(once, again, strict=True):
        assert left.read_bytes() == right.read_bytes(), left.name
    contracts = load_contracts().values()
    for path in once:
        contract = next(c for c in contracts if any(path.name.startswith(alias) for alias in c.file_aliases))
        known = set(contract.headers()) | {column.header for column in contract.wide_columns}
        assert set(read(path).columns) <= known, path.name


def read(path: Path) -> pd.DataFrame:
    """A file as a person would read it: everything as text."""
    if path.suffix == ".xlsx":
        return pd.read_excel(path, dtype=str, engine="calamine")
    raw = path.read_bytes()
    encoding = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "gb18030"
    return pd.read_csv(path, dtype=str, encoding=encoding)


def test_encodings_and_last_day_of_the_files(county, tmp_path):
    for path in write_inbox(county, tmp_path):
        if path.suffix == ".csv":
            is_utf8 = path.read_bytes().startswith(b"\xef\xbb\xbf")
            assert is_utf8 == ("_2021" not in path.name), path.name
        frame = read(path)
        recorded = frame["送达日期" if "送达日期" in frame else "登记日期"]
        assert recorded.max() <= county.end.isoformat(), path.name
    roster = read(tmp_path / "家庭成员关系.xlsx")
    assert roster["身份证号码"].str.fullmatch("[0-9]{17}[0-9X]").all()


def test_planted_faults_are_exactly_the_ones_in_the_files(county, tmp_path):
    rates = {"export.p_duplicate_row": 0.01, "export.p_bad_cell": 0.005}
    faulty = simulate_county(n_households=600, months=24, start=START, seed=4, parameters=default_parameters().changed(rates))
    write_inbox(faulty, tmp_path)
    key = planted_faults(faulty)
    assert set(key["kind"]) == {"duplicate", "bad_amount"}
    for name, faults in key.groupby("file"):
        frame = read(tmp_path / name)
        repeated = set(faults.loc[faults["kind"] == "duplicate", "row"])
        assert repeated == set(np.flatnonzero(frame.duplicated()) + 1), name
        for fault in faults[faults["kind"] == "bad_amount"].itertuples():
            assert not re.fullmatch(r"[0-9.]+", frame[fault.column].iloc[fault.row - 1])
    assert len(planted_faults(county)) < len(key)


def test_files_hold_exactly_the_ledger_on_file(county, tmp_path):
    write_inbox(county, tmp_path)
    rows = sum(len(read(path)) for path in tmp_path.glob("收入台账_*.csv"))
    faults = planted_faults(county)
    duplicates = ((faults["kind"] == "duplicate") & faults["file"].str.startswith("收入台账")).sum()
    assert rows - duplicates == (county.ledger["recorded_on"] <= pd.Timestamp(county.end)).sum()


# --- resumable, deterministic ----------------------------------------------------------------------------------------------------


def months_on(state, n, *, seed):
    return [step(state, month_rng(seed, state.month), default_parameters()) for _ in range(n)]


def same_records(left, right):
    return all(
        np.array_equal(getattr(a.ledger, f), getattr(b.ledger, f), equal_nan=f == "items")
        for a, b in zip(left, right, strict=True)
        for f in ("household", "items", "recorded")
    ) and all(np.array_equal(a.truth.net12, b.truth.net12) for a, b in zip(left, right, strict=True))


def test_stopping_saving_and_going_on_is_the_same_as_not_stopping(tmp_path):
    start = initial_state(n_households=300, start=START, seed=5)
    whole = months_on(start.copy(), 24, seed=5)
    state = start.copy()
    first = months_on(state, 12, seed=5)
    state.save(tmp_path / "state.npz")
    second = months_on(load_state(tmp_path / "state.npz"), 12, seed=5)
    assert same_records(whole, first + second)


def test_another_seed_from_the_same_state_is_another_future_and_leaves_the_past(tmp_path):
    state = initial_state(n_households=300, start=START, seed=5)
    months_on(state, 6, seed=5)
    before = state.copy()
    one, other = months_on(state.copy(), 6, seed=100), months_on(state.copy(), 6, seed=101)
    assert not same_records(one, other)
    assert same_records(one, months_on(state.copy(), 6, seed=100))
    for name, array in before.households.items():
        assert np.array_equal(array, getattr(state.households, name)), name
    assert state.month == before.month


def test_a_state_of_another_schema_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    np.savez(path, schema=np.array(0))
    with pytest.raises(StoreError, match="schema 0"):
        load_state(path)
    np.savez(
        path, schema=np.array(STATE_SCHEMA), month=np.array(1), n_claims=np.array(0), market=np.zeros(2), identified=np.zeros(2)
    )
    with pytest.raises(StoreError, match="lacks code"):
        load_state(path)


def test_seed_decides(county):
    other = simulate_county(n_households=600, months=24, start=START, seed=9)
    assert not other.truth["net_12m_cny"].equals(county.truth["net_12m_cny"])


# --- parameters ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("growth_year =", "growht_year =", "did you mean 'growth_year'"),
        ("[weather]", "[wheather]", "did you mean 'weather'"),
        ('source = "assumed: steps on 1 January"', 'source = ""', "needs a unit and a source"),
        ("value = true", 'value = "yes"', "expected bool"),
        ("value = 36, unit", "value = 36.5, unit", "expected int"),
        ('unit = "CNY a mu and year", source = "assumed" }\ndividend', 'source = "assumed" }\ndividend', "must be written as"),
    ],
)
def test_a_wrong_parameter_file_is_refused(tmp_path, old, new, message):
    text = PARAMETER_FILE.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "parameters.toml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_parameters(file)


def test_unknown_parameters_are_refused_by_name():
    with pytest.raises(UnknownNameError, match="did you mean 'support'"):
        default_parameters().changed({"suport.targeted": False})
    with pytest.raises(ConfigError, match="expected bool"):
        default_parameters().changed({"support.targeted": 1})


# --- what the process does -------------------------------------------------------------------------------------------------------


def test_falls_happen_to_two_to_four_percent_a_year(large):
    at_risk, falls = annual_falls(large)
    assert ANNUAL_FALL_RATE[0] < falls.sum() / at_risk.sum() < ANNUAL_FALL_RATE[1]


def test_help_hides_risk(large, unsupported):
    at_risk, falls = annual_falls(large)
    more_at_risk, more_falls = annual_falls(unsupported)
    assert more_falls.sum() / more_at_risk.sum() > 1.1 * falls.sum() / at_risk.sum()
    below = (large.truth["net_per_head_cny"] < large.truth["line_cny_year"]).mean()
    more_below = (unsupported.truth["net_per_head_cny"] < unsupported.truth["line_cny_year"]).mean()
    assert more_below > 1.4 * below


def test_illness_and_job_loss_come_before_falls(large):
    """A shock of the last twelve months makes a fall in the next twelve likelier."""
    at_risk, falls = annual_falls(large)
    now = list(range(2, 48, 3))[: len(at_risk)]
    for shock, ratio in (("shock_job_loss", 1.1), ("shock_illness", 1.3)):
        hit = by_month(large, shock)
        recent = np.array([hit[max(0, i - 11) : i + 1].any(axis=0) for i in now])
        assert falls[recent].sum() / at_risk[recent].sum() > ratio * falls[~recent].sum() / at_risk[~recent].sum(), shock


def test_crops_have_a_harvest_season(large):
    crops = large.ledger.groupby(large.ledger["period_start"].dt.month)["种植业收入"].sum()
    assert crops.loc[9:11].sum() > 3 * crops.loc[1:3].sum()
    costs = large.ledger.groupby(large.ledger["period_start"].dt.month)["种植业成本"].sum()
    assert costs.loc[3:5].sum() > costs.loc[9:11].sum()


def test_income_persists_but_not_entirely(large):
    """Log income a head, two windows that share no month."""
    net = np.log(np.maximum(by_month(large, "net_per_head_cny"), 100.0))
    net = net[:, ~np.isnan(net).any(axis=0)]
    one_year, three_years = np.corrcoef(net[11], net[23])[0, 1], np.corrcoef(net[11], net[47])[0, 1]
    assert 0.5 < one_year < 0.95
    assert three_years < one_year


def test_neighbours_share_bad_harvests(large):
    """Where weather struck, it struck whole villages, and their autumn crop is smaller than others' against the year before."""
    shock, net = by_month(large, "shock_weather"), by_month(large, "net_per_head_cny")
    rows = large.tables["household"].sort_values("recorded_on", kind="stable")
    home = rows[rows["household_id"].isin(large.truth["household_id"])].groupby("household_id")["village_code"]  # some end at once
    stays = home.nunique().eq(1).to_numpy()
    shock, village = shock[:, stays], home.first().rank(method="dense").astype(int).to_numpy()[stays]
    for month in np.flatnonzero(shock.any(axis=1)):
        exists = ~np.isnan(net[month, stays])
        share = np.bincount(village[exists], shock[month, exists]) / np.maximum(np.bincount(village[exists]), 1)
        assert set(np.unique(share)) <= {0.0, 1.0}
    struck, spared = [], []
    crops = large.tables["income"].query("item == 'crops'")
    for year in (2020, 2021, 2022):
        autumn = [
            crops[(crops["period_start"] >= f"{y}-09-01") & (crops["period_start"] <= f"{y}-11-30")]
            .groupby("household_id")["gross_cny"]
            .sum()
            for y in (year - 1, year)
        ]
        households = np.sort(large.truth["household_id"].unique())[stays]
        autumn = [a.reindex(households, fill_value=0.0).to_numpy() for a in autumn]
        summer = [
            i
            for i, end in enumerate(pd.date_range("2019-10-31", periods=48, freq="ME"))
            if end.year == year and end.month in (5, 6, 7, 8)
        ]
        hit = shock[summer].any(axis=0)
        struck.append((autumn[1][hit].sum(), autumn[0][hit].sum()))
        spared.append((autumn[1][~hit].sum(), autumn[0][~hit].sum()))
    growth = [now / before for now, before in (np.sum(struck, axis=0), np.sum(spared, axis=0))]
    assert growth[0] < 0.9 * growth[1]


def test_laws_of_the_ledger(large):
    """Costs only beside farming or business, subsidies paid in their month, dibao only where granted."""
    ledger = large.ledger
    items = ledger[[c for c in ledger.columns if c in {w.header for w in load_contracts()["income"].wide_columns}]]
    assert len(items.columns) == len(Item)
    assert (items.min() > 0).all()  # zero is blank
    granted = large.tables["subsidy"].query("programme == 'dibao'")["household_id"]
    assert set(ledger.loc[ledger["低保金"].notna(), "household_id"]) <= set(granted)
    assert set(ledger.loc[ledger["集体分红收入"].notna(), "period_start"].dt.month) == {1}


def test_monitoring_is_opened_once_at_a_time_and_closed_after_months(large):
    rows = large.tables["monitoring"]
    closed = rows[rows["eliminated_on"].notna()]
    assert len(closed) > 50
    ended = large.truth.groupby("household_id")["month_end"].max() < large.truth["month_end"].max()
    lives = ~closed["household_id"].map(ended).fillna(value=True).astype(
        bool
    )  # with its last member a household leaves monitoring at once
    assert ((closed["eliminated_on"] - closed["identified_on"]).dt.days > 150)[lives].all()
    opened = rows[rows["eliminated_on"].isna()]
    assert not opened.duplicated(["household_id", "identified_on"]).any()
    assert 0.02 < large.truth["monitored"].mean() < 0.09
