"""Every planted leak is found by its check, and a county without one is passed in silence."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from returnrisk.config import LearnerSpec
from returnrisk.errors import ConfigError, NotEnoughDataError
from returnrisk.evaluation.bootstrap import draw_clusters
from returnrisk.leakage import CHECKS, AuditSettings, LeakageAudit
from returnrisk.leakage.area import area_aggregates
from returnrisk.leakage.learning import _binned_rate, lagged_records, single_features
from returnrisk.leakage.outcome_columns import outcome_columns, partial_correlation
from returnrisk.leakage.panel import Panel, StoreSnapshots
from returnrisk.leakage.ranking import auc, auc_draws
from returnrisk.leakage.rebuilding import after_identification, known_then, moved, recorded_later
from returnrisk.leakage.result import Finding
from returnrisk.leakage.windows import overlapping_windows
from returnrisk.store.view import Store
from returnrisk.timeline import Split, add_months
from returnrisk.training import plan_split
from tests import leaky_panels as leaks

CODES = [f"LEAK00{k}" for k in range(1, 8)]
ON_FILE = {"record": "support", "family": "support"}


@functools.cache
def clean_audit() -> LeakageAudit:
    return leaks.audit(leaks.honest_kept)


def panel(maker: StoreSnapshots, *, store: Store | None = None, split: Split | None = None) -> Panel:
    source = store or leaks.clean_store()
    return Panel(
        store=source,
        spec=leaks.SPEC,
        known_on=leaks.KNOWN_ON,
        snapshots=maker,
        split=split or plan_split(source, leaks.SPEC, known_on=leaks.KNOWN_ON),
        settings=leaks.SETTINGS,
        seed=0,
    )


def single(audited: Panel) -> Finding:
    return single_features(audited, progress=lambda *_: None)


def lagged(audited: Panel) -> Finding:
    return lagged_records(audited, progress=lambda *_: None)


# -- silence -------------------------------------------------------------------------------------------------------------------


def test_a_clean_county_is_passed_by_every_check():
    frame = clean_audit().frame()
    assert frame["code"].tolist() == CODES
    assert frame["result"].tolist() == ["fine"] * 7, frame[["code", "what", "measured", "why"]].to_string()
    assert frame["measured"].ne("").all()
    assert clean_audit().exit_code == 0
    assert clean_audit().problems == ()


def test_the_checks_had_something_to_look_at():
    """Silence on nothing would be no silence: figures of every feature and record, outcomes of both kinds, people identified."""
    details = clean_audit().details()
    names = {f.name for f in leaks.FEATURES}
    for code in ("LEAK002", "LEAK004"):
        assert set(details.loc[details["code"] == code, "what"]) >= names - {"n_monitored"}, code
    assert set(details.loc[details["code"] == "LEAK003", "what"]) == {f.record for f in leaks.FEATURES}
    assert details.loc[(details["code"] == "LEAK002") & (details["what"] == "income_line_ratio"), "value"].item() > 0.7
    found = {f.code: f for f in clean_audit().findings}
    assert int(re.search(r"(\d+) households identified", found["LEAK005"].measured)[1]) >= 10
    assert "households asked" in found["LEAK007"].measured


def test_the_same_audit_again_gives_the_same_figures():
    again = leaks.audit(leaks.honest_kept)
    pd.testing.assert_frame_equal(again.frame(), clean_audit().frame())
    pd.testing.assert_frame_equal(again.details(), clean_audit().details(), check_exact=True)


# -- planted leaks -------------------------------------------------------------------------------------------------------------

PLANTED = {
    "wages of the month to come": ("LEAK001", recorded_later, leaks.wages_to_come, {}),
    "a rumour of the outcome": ("LEAK002", single, leaks.rumour, {}),
    "a list that carries the quarter's first day": ("LEAK003", lagged, leaks.quarterly_list, {}),
    "the account of the settlement to come": ("LEAK004", outcome_columns, leaks.settled_account, {}),
    "the change of the account to come": ("LEAK004", outcome_columns, leaks.income_change_to_come, {}),
    "a share that few households are part of": ("LEAK007", area_aggregates, leaks.monitored_share, {"family": "area"}),
    "the village with the household itself": ("LEAK007", area_aggregates, leaks.village_share, {"family": "area"}),
    "the village in the month to come": ("LEAK007", area_aggregates, leaks.village_fortune, {"family": "area"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_found_and_named_alone(name: str):
    code, check, column, entry = PLANTED[name]
    found = check(panel(leaks.planted(column, **entry)))
    assert (found.code, found.result) == (code, "problem"), found
    assert found.what == (("list",) if code == "LEAK003" else ("planted",))
    assert found.measured
    assert found.threshold


def test_what_only_its_own_check_can_find():
    """A backdated list and a village share of honest rows move no bit when later rows are taken away."""
    assert recorded_later(panel(leaks.planted(leaks.village_share, family="area"))).result == "fine"
    backdated = panel(leaks.planted(leaks.quarterly_list))
    assert single(backdated).result == "fine"
    assert outcome_columns(backdated).result == "fine"


def test_two_records_that_tell_the_same_do_not_hide_each_other():
    found = lagged(panel(leaks.twice))
    assert (found.result, found.what) == ("problem", ("list", "copy"))


def test_a_village_rate_learnt_on_the_test_days_is_found_though_it_never_moves():
    """Target encoding by a careless hand: learnt on the test rows, joined from a file."""

    def encoded(store: Store) -> StoreSnapshots:
        rows = panel(leaks.honest_kept, store=store).test_rows()
        rate = rows.groupby("village_code")["y"].mean()
        return leaks.planted(lambda _source, _on, table: table["village_code"].map(rate), family="area")

    store = leaks.clean_store(n_villages=40)
    found = area_aggregates(panel(encoded(store), store=store))
    assert (found.result, found.what) == ("problem", ("planted",))
    assert "1 the outcomes tested on" in found.measured
    assert area_aggregates(panel(leaks.honest_kept, store=store)).result == "fine"
    # with few villages that cannot be told, nor is it called fine
    few = area_aggregates(panel(encoded(leaks.clean_store())))
    assert (few.result, few.what) == ("cannot_tell", ("planted",))


def test_households_merged_under_one_number_are_found_and_never_named():
    audit = leaks.audit(leaks.merged_twice)
    found = {f.code: f for f in audit.findings}
    assert (found["LEAK006"].result, audit.exit_code) == ("problem", 3)
    assert found["LEAK006"].measured == f"{2 * len(audit.days)} rows"
    for said in (audit.frame(), audit.details()):
        assert not re.search(r"\b1(398|399)\b", said.to_csv())


def test_an_overlap_is_found_though_the_households_were_renumbered():
    """The same people under other numbers on the test days."""
    base = leaks.rows(7)
    again = [{**row, "household_id": row["household_id"] + 5000} for row in base["household_roster"]]
    homes = [{**row, "household_id": row["household_id"] + 5000} for row in base["household"]]
    tables = {**base, "household_roster": [*base["household_roster"], *again], "household": [*base["household"], *homes]}
    store = leaks.store_of("leakage-renumbered", tables, delay=20)
    split = leaks.without_embargo(plan_split(leaks.clean_store(), leaks.SPEC, known_on=leaks.KNOWN_ON))

    def renumbered(_: Store, on):
        made = leaks.honest_kept(leaks.clean_store(), on)
        late = 5000 * (on >= min(split.test))
        return replace(made, table=made.table.assign(household_id=made.table["household_id"] + late))

    found = overlapping_windows(panel(renumbered, store=store, split=split))
    assert (found.result, found.measured) == ("problem", f"{leaks.N_HOUSEHOLDS} household-windows")


def test_the_order_of_the_rows_changes_nothing():
    tables = {name: found[::-1] for name, found in leaks.rows(7).items()}
    audit = leaks.audit(leaks.honest_kept, store=leaks.store_of("leakage-reversed", tables, delay=20))
    pd.testing.assert_frame_equal(audit.frame(), clean_audit().frame())
    pd.testing.assert_frame_equal(audit.details(), clean_audit().details(), check_exact=True)


def test_support_after_identification_under_false_recording_days():
    """Support written down years later under the year's first day: known "by the day", though it followed a later identification."""
    store = leaks.backdated_support_store()
    audited = panel(leaks.planted(leaks.support_on_file, **ON_FILE), store=store)
    found = after_identification(audited)
    assert found.result == "problem"
    assert found.what == ("planted",)
    assert recorded_later(audited).result == "fine"
    # the same column where recording days are true hears of nothing that follows
    assert after_identification(panel(leaks.planted(leaks.support_on_file, **ON_FILE))).result == "fine"


def test_a_missing_embargo_is_found_with_the_households_it_concerns():
    split = plan_split(leaks.clean_store(), leaks.SPEC, known_on=leaks.KNOWN_ON)
    found = overlapping_windows(panel(leaks.honest_kept, split=leaks.without_embargo(split)))
    assert found.result == "problem"
    assert found.measured == f"{leaks.N_HOUSEHOLDS} household-windows"
    early = min(split.test)
    assert found.what == (f"{add_months(early, -3)} / {early}",)


def test_neighbours_without_the_household_are_told_from_later_rows():
    """The honest village feature as it is, and one whose only fault is the month it looks at."""
    assert area_aggregates(panel(leaks.honest_kept)).result == "fine"
    found = area_aggregates(panel(leaks.planted(leaks.village_fortune, family="area")))
    assert found.measured.startswith("0 features hold the household itself, 1 later rows")
    found = area_aggregates(panel(leaks.planted(leaks.village_share, family="area")))
    assert found.measured.startswith("1 features hold the household itself, 0 later rows")


def test_a_feature_of_one_value_a_village_is_looked_at_whatever_it_says_it_is():
    found = area_aggregates(panel(leaks.planted(leaks.village_share)))
    assert (found.result, found.what) == ("problem", ("planted",))


def test_a_snapshot_with_rows_of_another_day_is_found():
    def shifted(store: Store, on):
        made = leaks.honest_kept(store, on)
        table = made.table.copy()
        table.loc[:9, "as_of"] = pd.Timestamp(add_months(on, 3))
        return replace(made, table=table)

    audited = panel(shifted)
    day = audited.made(audited.test_days[0]).as_of
    found = overlapping_windows(audited)
    assert (found.result, found.what, found.measured) == ("problem", (str(day),), "10 rows")


def test_a_record_dated_after_the_day_is_found():
    def dated(store: Store, on):
        made = leaks.honest_kept(store, on)
        return replace(made, table=made.table.assign(on_income=pd.Timestamp(on) + pd.Timedelta(days=9)))

    found = recorded_later(panel(dated))
    assert (found.result, found.what) == ("problem", ("on_income",))


def test_a_column_from_elsewhere_cannot_be_audited_and_is_said_to():
    found = recorded_later(panel(leaks.planted(leaks.noise)))
    assert (found.result, found.what) == ("cannot_tell", ("planted",))


def test_a_planted_leak_makes_the_whole_audit_fail():
    audit = leaks.audit(leaks.planted(leaks.wages_to_come))
    assert audit.exit_code == 3
    assert "LEAK001" in {f.code for f in audit.problems}
    row = audit.frame().set_index("code").loc["LEAK001"]
    assert (row["result"], row["what"]) == ("problem", "planted")


def test_a_backdated_list_is_found_whatever_learner_is_specified():
    """A learner that looks at one column would not notice what another column knows."""
    audited = panel(leaks.planted(leaks.quarterly_list))
    income_only = replace(leaks.SPEC, learner=LearnerSpec("income_only", {"column": "income_line_ratio"}))
    found = lagged(replace(audited, spec=income_only))
    assert (found.result, found.what) == ("problem", ("list",))


def test_few_villages_give_no_interval_to_decide_by():
    found = single(panel(leaks.honest_kept, store=leaks.clean_store(n_villages=4)))
    assert found.result == "cannot_tell"
    assert "4 villages" in found.why


# -- what cannot be said ---------------------------------------------------------------------------------------------------------


def test_too_few_events_are_said_and_not_passed():
    def poor_in_events(store: Store, on):
        made = leaks.honest_kept(store, on)
        return replace(made, table=made.table.head(30))

    audited = panel(poor_in_events)
    for check in (single, lagged, outcome_columns):
        found = check(audited)
        assert found.result == "cannot_tell"
        assert "at least 20 of each" in found.why


def test_a_history_too_short_is_refused_before_anything_is_computed():
    def never(store: Store, on):
        raise AssertionError("no snapshot was needed to see that")

    with pytest.raises(NotEnoughDataError):
        leaks.audit_leakage(leaks.clean_store(), leaks.SPEC, known_on=leaks.day("2022-04-30"), snapshots=never)


@pytest.mark.parametrize(
    "bad", [{"implausible_auc": 1.2}, {"least_drop": -0.1}, {"n_days": 0}, {"n_bootstrap": 1}, {"copy_correlation": 1.0}]
)
def test_settings_that_cannot_be_meant_are_refused(bad: dict):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        AuditSettings(**bad)


# -- the parts -------------------------------------------------------------------------------------------------------------------


def test_the_store_as_it_was_gives_the_same_view_and_no_later_one():
    store, on = leaks.clean_store(), leaks.day("2023-03-31")
    then = known_then(store, on)
    assert then.manifest.fingerprint[:12] != store.manifest.fingerprint[:12]
    for name in ("income", "support", "monitoring", "delivery"):
        key = sorted(store.as_of(on).table(name).columns)
        a, b = (s.as_of(on).table(name).to_pandas().sort_values(key, ignore_index=True) for s in (store, then))
        pd.testing.assert_frame_equal(a, b)
        assert then.as_of(leaks.KNOWN_ON).table(name).recorded_on.max().execute() <= pd.Timestamp(on)


def test_columns_that_moved_by_hand():
    left = pd.DataFrame({"household_id": [1, 2, 3], "a": [1.0, np.nan, 3.0], "b": [1.0, 2.0, 3.0], "c": ["x", "y", None]})
    right = pd.DataFrame({"household_id": [3, 1, 2], "a": [3.0, 1.0, np.nan], "b": [3.0, 1.0, np.nan], "c": [None, "x", "z"]})
    assert moved(left, right, columns=["a", "b", "c"]) == {"b": 1, "c": 1}
    assert moved(left, right.head(2), columns=["a"]) == {"a": 1}
    assert moved(left.head(2), right, columns=["a"]) == {"a": 1}
    assert moved(left, right[["household_id"]], columns=["a"]) == {"a": 3}
    nearly = left.assign(a=left["a"] * (1 + 1e-9))
    assert moved(left, nearly, columns=["a", "c"]) == {"a": 2}
    assert moved(left, nearly, columns=["a", "c"], rounding=1e-6) == {}


def test_auc_and_its_draws_against_scikit_learn():
    rng = np.random.default_rng(3)
    score, village = rng.integers(0, 9, 300).astype(float), rng.integers(0, 12, 300)
    y = (rng.random(300) < 0.1 + 0.05 * score).astype(float)
    assert auc(score, y) == pytest.approx(roc_auc_score(y, score))
    draws = draw_clusters(12, n_bootstrap=5, seed=1)
    found = auc_draws(score, y, cluster=village, draws=draws)
    assert found == pytest.approx([roc_auc_score(y, score, sample_weight=w[village]) for w in draws])


def test_a_single_feature_needs_no_direction_and_a_missing_value_tells():
    rng = np.random.default_rng(5)
    x = pd.Series(rng.normal(size=4000))
    y = pd.Series((np.abs(x) > 1.2).astype(float))  # both ends are at risk
    rate = _binned_rate(x[:2000], y[:2000], x[2000:], n_bins=20)
    assert auc(rate, y[2000:].to_numpy()) > 0.97
    assert auc(x[2000:].to_numpy(), y[2000:].to_numpy()) < 0.6
    hidden = pd.Series(np.where(y > 0, np.nan, rng.normal(size=4000)))
    assert auc(_binned_rate(hidden[:2000], y[:2000], hidden[2000:], n_bins=20), y[2000:].to_numpy()) > 0.95


def test_partial_correlation_by_residuals():
    rng = np.random.default_rng(8)
    now = rng.normal(size=500)
    future, feature = now + rng.normal(size=500), 0.5 * now + rng.normal(size=500)

    def left_over(v: np.ndarray) -> np.ndarray:
        return v - np.polyval(np.polyfit(now, v, 1), now)

    expected = np.corrcoef(left_over(feature), left_over(future))[0, 1]
    assert partial_correlation(np.corrcoef([feature, future, now])) == pytest.approx(expected)
    assert partial_correlation(np.corrcoef([future, future, now])) == pytest.approx(1.0)
    assert np.isnan(partial_correlation(np.corrcoef([now, future, now])))


def test_the_page_lists_every_check():
    page = (Path(__file__).resolve().parents[1] / "docs" / "leakage.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (LEAK\d+) \| ([^|]*) \| ([^|]*) \|", page, flags=re.MULTILINE) == [
        (c.code, c.zh, c.en) for c in CHECKS.values()
    ]


# -- more counties ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_other_clean_counties_are_passed(seed: int):
    audit = leaks.audit(leaks.honest, store=leaks.clean_store(seed))
    assert audit.problems == (), audit.frame().to_string()


@pytest.mark.slow
def test_shipped_features_on_a_simulated_county_are_passed(tmp_path: Path):
    """1 800 simulated households × 66 months through files and ingest; all families, the shipped specification, fewer days."""
    from returnrisk.config import load_model_spec
    from returnrisk.features.families import catalogue
    from returnrisk.features.snapshot import Snapshot, build_snapshot
    from returnrisk.ingest.inbox import ingest_inbox
    from returnrisk.leakage import audit_leakage
    from returnrisk.simulate import simulate_county, write_inbox
    from returnrisk.store.view import open_store

    county = simulate_county(n_households=1800, months=66, seed=0)
    write_inbox(county, tmp_path / "inbox")
    ingest_inbox(tmp_path / "inbox", tmp_path / "store", key=b"a key for tests of this package")
    shipped = load_model_spec("fall-12m")
    spec = replace(shipped, split=replace(shipped.split, n_calibrate=2, n_test=1))

    def make(store: Store, on) -> Snapshot:
        return build_snapshot(store.as_of(on), spec=spec.outcome, families=spec.families)

    memory = leaks.kept(make)
    store = open_store(tmp_path / "store")
    audit = audit_leakage(store, spec, known_on=county.end, snapshots=memory)
    assert audit.frame()["result"].tolist() == ["fine"] * 7, audit.frame().to_string()
    assert set(audit.details().loc[lambda d: d["code"] == "LEAK002", "what"]) == {f.name for f in catalogue(spec.families)}

    def doctored(source: Store, on) -> Snapshot:
        made = memory(source, on)
        income = source.as_of(county.end).table("income")
        later = income.filter((income.period_start > on) & (income.period_start <= add_months(on, 12)))
        sums = later.group_by("household_id").agg(cny=later.gross_cny.sum().cast("float64")).to_pandas().set_index("household_id")
        values = leaks.by_household(made.table, sums["cny"]).fillna(0.0).astype("float32").rename("planted")
        feature = replace(made.features[0], name="planted", family="signals", monotone=0)
        return replace(made, table=pd.concat([made.table, values], axis=1), features=(*made.features, feature))

    found = recorded_later(
        replace(panel(doctored, store=store, split=plan_split(store, spec, known_on=county.end)), spec=spec, known_on=county.end)
    )
    assert (found.result, found.what) == ("problem", ("planted",))
