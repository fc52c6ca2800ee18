"""From risks and reasons to a priority visit list (优先走访名单).

    below_line  (unmonitored, already below the line)  → must-visit, always listed, also past the capacity (counted)
    at_risk, not_computable                            → the places that are left, by falling risk
        those without a place                          → `random_places` of each township by lot, with a chance that is logged
    monitored                                          → not ranked: followed in their own rhythm, counted

Equal risks are ordered by SplitMix64 of the household's key: a fixed bijection of 64-bit integers, so that no two households
share a hash, nobody is favoured by a small key, and neither row order nor a random seed plays a part in places by risk. How many such
ties decided is reported. The list orders visits; it decides nothing about anybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.errors import ConfigError, ContractViolation, NotEnoughDataError
from returnrisk.visits.lot import SLOTS, with_lot
from returnrisk.visits.reasons import shown_reasons
from returnrisk.visits.saving import write_table
from returnrisk.visits.spec import MUST_VISIT_TIER, VisitSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

STRATA = ("at_risk", "below_line", "monitored", "not_computable")
_SCORE_COLUMNS = ("household_id", "as_of", "village_code", "township_code", "stratum", "risk")
_VILLAGE_COLUMNS = ("village_code", "village_name", "township_code", "township_name")
_COUNTS = (
    "households",
    "eligible",
    "monitored",
    "must_visit",
    "model",
    "random",
    "listed",
    "not_computable_listed",
    "left_out",
    "over_capacity",
    "ties_at_cut",
)


@dataclass(frozen=True, slots=True, eq=False)
class VisitList:
    """A priority visit list of one day: `rows` one per listed household, `areas` one per township and county, `log` one per household."""

    as_of: dt.date
    model_version: str
    spec: VisitSpec
    rows: pd.DataFrame
    areas: pd.DataFrame
    log: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Listed households, sorted by township and rank.

        Columns: as_of (datetime64[s]), township_code, township_name, village_code, village_name, household_id, pseudonym, rank
        (1.. within the township), kind ("must_visit" | "model" | "random"), computable (bool), risk (probability; for a must-visit it is what
        the model gave and is not shown), tier (name), reason_1_zh, reason_1_en .. reason_k_*, verify_zh, verify_en, model_version.
        No identity column, ever.
        """
        return self.rows.copy()

    def make_up(self) -> pd.DataFrame:
        """What the list is made of, one row per township, then one per county (`level`).

        Columns: level, area_code, area_name, capacity (places by lot among them), households, eligible (may be listed: at risk, not computable
        or below the line), monitored (followed elsewhere), must_visit, model, random, listed, not_computable_listed, left_out (eligible, not listed),
        over_capacity (must-visits beyond the capacity), ties_at_cut (places that a tie decided), expected_falls and
        expected_falls_listed (sums of the risks of those that the model ranks, and of those listed by risk).
        """
        return self.areas.copy()

    def chances(self) -> pd.DataFrame:
        """How likely each household of the day was to be listed, listed or not, by household.

        Columns: as_of (datetime64[s]), township_code, village_code, household_id, slot ("must_visit" | "model" | "random" | "none"), chance
        (0 to 1; 0 for the monitored, whom no list visits). What outcomes of the visited tell of everybody is weighed by it
        (`selective_labels.estimate_from_verified`). No identity column.
        """
        return self.log.copy()

    @property
    def ties_at_cut(self) -> int:
        """Places, over all townships, that went to one of several households of exactly the same risk."""
        return int(self.areas.loc[self.areas["level"] == "township", "ties_at_cut"].sum())

    def write_parquet(self, path: Path) -> Path:
        """Write `frame()` to `path`, whole or not at all; the same list gives the same bytes.

        Raises
        ------
        OSError
            The folder cannot be written or the disk is full; an older file at `path` is then untouched.
        """
        import pyarrow as pa

        table = pa.Table.from_pandas(self.rows, preserve_index=False)
        day = table.schema.get_field_index("as_of")
        return write_table(table.set_column(day, "as_of", table.column("as_of").cast(pa.date32())), path)


def select(
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    *,
    spec: VisitSpec,
    villages: pd.DataFrame,
    model_version: str,
    must_visit_reasons: pd.DataFrame | None = None,
    seed: int = 0,
) -> VisitList:
    """Choose and rank the households to visit first, township by township.

    Parameters
    ----------
    scores
        One row per household of one day: household_id, as_of, village_code, township_code, stratum, risk (probability).
    reasons
        Household x position: household_id, position, text_zh, text_en, verify_zh, verify_en; may cover more households.
    spec
        Capacity, tiers, number of reasons.
    villages
        village_code, village_name, township_code, township_name; county_name if there is one.
    model_version
        Name of the model version the risks come from; it stands on every row.
    must_visit_reasons
        Columns as `reasons`, for households below the line only; placed ahead of the model's reasons.
    seed
        Of the lot of `spec.random_places`, with the day; every day is drawn anew.

    Returns
    -------
    VisitList
        The same for every order of the input rows.

    Raises
    ------
    ContractViolation
        Duplicate households, several days, missing columns, an unknown stratum or village, a risk that is no probability, or a
        must-visit reason for somebody who is not a must-visit.
    ExplanationError
        A listed household would have no reason, or a reason that is blank or cannot be checked at the door.

    Examples
    --------
    >>> import pandas as pd
    >>> place = {"village_code": 530123100201, "township_code": 530123100}
    >>> villages = pd.DataFrame([place | {"village_name": "大田村", "township_name": "河口镇"}])
    >>> scores = pd.DataFrame(
    ...     [
    ...         {"household_id": 11, "stratum": "at_risk", "risk": 0.20},
    ...         {"household_id": 12, "stratum": "below_line", "risk": 0.01},
    ...         {"household_id": 13, "stratum": "at_risk", "risk": 0.02},
    ...     ]
    ... ).assign(as_of=pd.Timestamp("2025-09-30"), **place)
    >>> texts = {"position": 1, "text_zh": "工资减少", "text_en": "wage fell", "verify_zh": "问务工", "verify_en": "ask about work"}
    >>> reasons = pd.DataFrame([{"household_id": household} | texts for household in (11, 12, 13)])
    >>> chosen = select(scores, reasons, spec=VisitSpec(per_township=2), villages=villages, model_version="fall-12m/1")
    >>> chosen.frame()[["rank", "kind", "tier", "risk"]].values.tolist()
    [[1, 'must_visit', 'below_line', 0.01], [2, 'model', 'high', 0.2]]
    >>> select(scores, reasons.head(0), spec=VisitSpec(), villages=villages, model_version="fall-12m/1")
    Traceback (most recent call last):
    returnrisk.errors.ExplanationError: 3 of 3 listed households have no reason; expected at least one each...
    """
    if not model_version.strip():
        raise ConfigError("model_version is blank; name the version that the risks come from, or nobody can trace the list")
    import pandas as pd

    as_of, checked = _checked_scores(scores)
    places = {"per_township": spec.per_township, "random_places": spec.random_places}
    ranked = _ranked(_placed(checked, villages), **places, seed=lot_seed(seed, as_of))
    listed = ranked.loc[ranked["listed"]]
    words = shown_reasons(
        reasons,
        must_visit_reasons,
        listed=listed,
        must_visits=checked.loc[checked["stratum"] == "below_line", "household_id"],
        k=spec.top_reasons,
    )
    rows = _list_rows(listed, words, as_of=as_of, model_version=model_version, spec=spec)
    log = ranked[["township_code", "village_code", "household_id", "slot", "chance"]].sort_values("household_id", ignore_index=True)
    log.insert(0, "as_of", pd.Series(pd.Timestamp(as_of), index=log.index).astype("datetime64[s]"))
    return VisitList(as_of=as_of, model_version=model_version, spec=spec, rows=rows, areas=_areas(ranked, villages, spec), log=log)


def lot_seed(seed: int, as_of: dt.date) -> tuple[int, int]:
    """Seed of a day's lot: every day its own."""
    return seed, as_of.toordinal()


def visit_plan(scores: pd.DataFrame, *, per_township: int, random_places: int, seed: int | Sequence[int]) -> pd.DataFrame:
    """Who gets which place and with what chance: the rule of `select` without names, tiers or reasons.

    Without places by lot nobody learns anything of the households that the model leaves out, and no weight can mend that afterwards.

    Parameters
    ----------
    scores
        One row per household of one day: household_id, township_code, stratum, risk.
    per_township
        Places that are not drawn by lot (must-visits are always listed, also past them).
    random_places
        Places by lot in every township, beside the others.
    seed
        Of the lot (`lot_seed` gives that of a day's list); the same households in another order are drawn alike.

    Returns
    -------
    pandas.DataFrame
        household_id, slot ("must_visit", "model", "random", "none"), chance (0 to 1; 0 for the monitored, whom no list visits); in the
        order of `scores`.

    Raises
    ------
    ConfigError
        A number of places below zero.

    Examples
    --------
    >>> import pandas as pd
    >>> four = pd.DataFrame({"household_id": [1, 2, 3, 4], "township_code": 9, "stratum": "at_risk", "risk": [0.4, 0.3, 0.2, 0.1]})
    >>> visit_plan(four, per_township=1, random_places=1, seed=0)["chance"].round(2).tolist()
    [1.0, 0.33, 0.33, 0.33]
    """
    import numpy as np

    if per_township < 0:
        raise ConfigError(f"per_township is {per_township}; expected 0 or more households")
    needed = scores[["household_id", "township_code", "stratum", "risk"]].reset_index(drop=True)
    ranked = _ranked(
        needed.assign(position=np.arange(len(needed))), per_township=per_township, random_places=random_places, seed=seed
    )
    return ranked.sort_values("position", ignore_index=True)[["household_id", "slot", "chance"]]


def listed(scores: pd.DataFrame, *, per_township: int) -> npt.NDArray[np.bool_]:
    """Which households `select` would list, (n,) in the order of `scores`: its rule without names, tiers or reasons.

    Parameters
    ----------
    scores
        One row per household of one day: household_id, township_code, stratum, risk.
    per_township
        Capacity.

    Examples
    --------
    >>> import pandas as pd
    >>> strata = ["at_risk", "below_line", "at_risk", "monitored"]
    >>> frame = pd.DataFrame({"household_id": [1, 2, 3, 4], "township_code": 9, "stratum": strata, "risk": [0.3, 0.1, 0.2, 0.9]})
    >>> listed(frame, per_township=2).tolist()
    [True, True, False, False]
    """
    return (visit_plan(scores, per_township=per_township, random_places=0, seed=0)["slot"] != "none").to_numpy()


def strata(scores: pd.DataFrame) -> pd.DataFrame:
    """Count households per stratum: stratum, households, expected_falls (sum of risks; missing where no fall can be expected).

    A household below the line has fallen already and a monitored one is not ranked: neither has expected falls.

    Raises
    ------
    ContractViolation
        As for `select`.
    """
    _, checked = _checked_scores(scores)
    grouped = checked.sort_values("household_id").groupby("stratum")["risk"]
    counted = grouped.agg(households="size", expected_falls="sum").reindex(list(STRATA), fill_value=0)
    counted.loc[["below_line", "monitored"], "expected_falls"] = float("nan")
    return counted.rename_axis("stratum").reset_index().astype({"households": "int64", "expected_falls": "float64"})


def stable_hash(household_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 (Steele, Lea and Flood 2014) of each key: a bijection, hence no collisions.

    Examples
    --------
    >>> import numpy as np
    >>> stable_hash(np.array([0, 1], dtype=np.int64)).tolist()
    [16294208416658607535, 10451216379200822465]
    """
    import numpy as np

    with np.errstate(over="ignore"):
        z = np.asarray(household_ids).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _named(household_ids: Iterable[int]) -> str:
    """At most five pseudonyms for a message, smallest first."""
    from returnrisk.store.pseudonyms import pseudonym_text

    keys = sorted({int(key) for key in household_ids})
    return ", ".join(pseudonym_text(key) for key in keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def _require(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    if missing := [column for column in columns if column not in frame.columns]:
        raise ContractViolation(f"{what} have no column {', '.join(missing)}; found {', '.join(map(str, frame.columns)) or 'none'}")


def _checked_scores(scores: pd.DataFrame) -> tuple[dt.date, pd.DataFrame]:
    """The day and the needed columns, after every check; all that fail are told at once."""
    import pandas as pd

    _require(scores, _SCORE_COLUMNS, "scores")
    if scores.empty:
        raise NotEnoughDataError("there are no scores to make a list from; score a day first")
    frame = scores.loc[:, list(_SCORE_COLUMNS)].reset_index(drop=True)
    failures = []
    if (twice := frame["household_id"].duplicated(keep=False)).any():
        failures.append(
            f"{frame.loc[twice, 'household_id'].nunique()} households appear more than once: {_named(frame.loc[twice, 'household_id'])}"
        )
    days = sorted({day.date() for day in pd.to_datetime(frame["as_of"]).dropna()})
    if len(days) != 1 or frame["as_of"].isna().any():
        failures.append(
            f"expected one as_of day, found {', '.join(map(str, days)) or 'none'}, missing in {frame['as_of'].isna().sum()} rows"
        )
    if unknown := sorted(set(frame["stratum"].astype(str)) - set(STRATA)):
        failures.append(f"unknown strata {', '.join(unknown)}; known: {', '.join(STRATA)}")
    frame["risk"] = pd.to_numeric(frame["risk"]).astype("float64")
    if (wrong := ~frame["risk"].between(0, 1)).any():
        failures.append(f"{wrong.sum()} risks are missing or outside 0..1: {_named(frame.loc[wrong, 'household_id'])}")
    if failures:
        raise ContractViolation("scores cannot be ranked: " + "; ".join(failures) + ". Score the day again, one row per household.")
    return days[0], frame


def _placed(scores: pd.DataFrame, villages: pd.DataFrame) -> pd.DataFrame:
    """Scores with the names of village and township; a place that is not known, or known twice, is an error."""
    _require(villages, _VILLAGE_COLUMNS, "villages")
    if (twice := villages["village_code"].duplicated(keep=False)).any():
        raise ContractViolation(
            f"villages hold {villages.loc[twice, 'village_code'].nunique()} village codes more than once; expected one row each"
        )
    names = villages.loc[:, list(_VILLAGE_COLUMNS)].rename(columns={"township_code": "known_township"})
    placed = scores.merge(names, on="village_code", how="left", validate="many_to_one")
    unknown = placed["known_township"].isna()
    if unknown.any():
        codes = sorted({int(code) for code in placed.loc[unknown, "village_code"]})
        raise ContractViolation(
            f"{int(unknown.sum())} households live in villages that are not on file: {', '.join(map(str, codes[:5]))}"
        )
    apart = placed["known_township"].astype("int64") != placed["township_code"]
    if apart.any():
        raise ContractViolation(
            f"{int(apart.sum())} scores name another township than their village does: {_named(placed.loc[apart, 'household_id'])}"
        )
    return placed.drop(columns="known_township")


def _ranked(placed: pd.DataFrame, *, per_township: int, random_places: int = 0, seed: int | Sequence[int] = 0) -> pd.DataFrame:
    """Everybody, sorted by township and rank (must-visits, the model's, those by lot, the rest, the monitored), with slot, chance and who is tied."""
    import numpy as np

    hashes = stable_hash(placed["household_id"].to_numpy(dtype=np.int64))
    group = placed["stratum"].map({"below_line": 0, "at_risk": 1, "not_computable": 1, "monitored": 2})
    order = np.lexsort((hashes, -placed["risk"].to_numpy(), group.to_numpy(), placed["township_code"].to_numpy()))
    ranked = placed.assign(group=group).iloc[order].reset_index(drop=True)
    ranked["rank"] = ranked.groupby("township_code").cumcount() + 1
    by_model = ranked["group"] == 1
    ranked["listed"] = (ranked["group"] == 0) | (by_model & (ranked["rank"] <= per_township))
    first_out = ranked.loc[by_model & ~ranked["listed"]].groupby("township_code")["risk"].first()
    ranked["tied"] = by_model & ranked["listed"] & (ranked["risk"] == ranked["township_code"].map(first_out))
    ranked = with_lot(ranked, certain=ranked["listed"].to_numpy(), random_places=random_places, seed=seed)
    if random_places:
        ranked["listed"] = ranked["slot"] != "none"
        ahead = ranked["slot"].map({slot: place for place, slot in enumerate(SLOTS)})
        ranked = ranked.iloc[np.lexsort((ranked["rank"], ahead, ranked["township_code"]))].reset_index(drop=True)
        ranked["rank"] = ranked.groupby("township_code").cumcount() + 1
    return ranked


def _list_rows(listed: pd.DataFrame, words: pd.DataFrame, *, as_of: dt.date, model_version: str, spec: VisitSpec) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    from returnrisk.store.pseudonyms import pseudonym_text

    must = listed["group"] == 0
    tiers = np.select([listed["risk"] >= tier.from_risk for tier in spec.tiers], [tier.name for tier in spec.tiers], default="")
    rows = pd.DataFrame(
        {
            "as_of": pd.Series(pd.Timestamp(as_of), index=listed.index).astype("datetime64[s]"),
            "township_code": listed["township_code"].astype("int64"),
            "township_name": listed["township_name"].astype("str"),
            "village_code": listed["village_code"].astype("int64"),
            "village_name": listed["village_name"].astype("str"),
            "household_id": listed["household_id"].astype("int64"),
            "pseudonym": pd.Series([pseudonym_text(int(key)) for key in listed["household_id"]], index=listed.index, dtype="str"),
            "rank": listed["rank"].astype("int64"),
            "kind": listed["slot"],
            "computable": listed["stratum"] != "not_computable",
            "risk": listed["risk"],
            "tier": pd.Series(np.where(must, MUST_VISIT_TIER.name, tiers), index=listed.index, dtype="str"),
        }
    )
    merged = rows.merge(words, on="household_id", how="left", validate="one_to_one")
    return merged.assign(model_version=pd.Series(model_version, index=merged.index, dtype="str"))


def _areas(ranked: pd.DataFrame, villages: pd.DataFrame, spec: VisitSpec) -> pd.DataFrame:
    """Counts per township, also of townships on file without a scored household, then their sums per county."""
    import pandas as pd

    by_model = ranked["group"] == 1
    counts = pd.DataFrame(
        {
            "area_code": ranked["township_code"].astype("int64"),
            "households": 1,
            "eligible": ranked["group"] != 2,
            "monitored": ranked["group"] == 2,
            "must_visit": ranked["group"] == 0,
            "model": ranked["slot"] == "model",
            "random": ranked["slot"] == "random",
            "listed": ranked["listed"],
            "not_computable_listed": ranked["listed"] & (ranked["stratum"] == "not_computable"),
            "left_out": by_model & ~ranked["listed"],
            "ties_at_cut": ranked["tied"],
            "expected_falls": ranked["risk"].where(by_model, 0.0),
            "expected_falls_listed": ranked["risk"].where(ranked["slot"] == "model", 0.0),
        }
    )
    names = villages.drop_duplicates("township_code").set_index("township_code").sort_index()
    townships = (
        counts.groupby("area_code").sum().reindex(names.index.astype("int64"), fill_value=0).rename_axis("area_code").reset_index()
    )
    townships["capacity"] = spec.per_township + spec.random_places
    townships["over_capacity"] = (townships["must_visit"] - spec.per_township).clip(lower=0)
    townships["area_name"] = names["township_name"].astype("str").to_numpy()
    townships["county_name"] = names["county_name"].astype("str").to_numpy() if "county_name" in names else ""
    sums = ["capacity", *_COUNTS, "expected_falls", "expected_falls_listed"]
    by_county = townships.assign(area_code=townships["area_code"] // 1000).groupby("area_code", as_index=False)
    counties = by_county.agg({"county_name": "first"} | dict.fromkeys(sums, "sum")).rename(columns={"county_name": "area_name"})
    both = pd.concat([townships.assign(level="township"), counties.assign(level="county")], ignore_index=True)
    columns = ["level", "area_code", "area_name", *sums]
    return both.loc[:, columns].astype(dict.fromkeys(["area_code", "capacity", *_COUNTS], "int64"))
