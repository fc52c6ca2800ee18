"""Why a list changed: every household that entered or left, and whether data, model or capacity moved it. Nothing is left over.

Two lists differ in three things: the data they were made from (the snapshot: who is on file, in which stratum, with which facts), the
model, and the places. They are swapped one at a time, in a stated order (`ORDER`), and the list is made again after each:

    (data, model, places) → (DATA, model, places) → (DATA, MODEL, places) → (DATA, MODEL, PLACES)

A household that is on one of the outer lists only is attributed to the first swap that moved it. It moved an odd number of times, so
that swap moved it in the direction it went in the end, and every such household has exactly one cause. A household that moved and came
back is on both lists or on neither: it is counted apart. Another order may name another cause, where either swap alone would have done:
`by_order` gives the counts of all six (a sequential decomposition depends on its order: Shorrocks 2013).

Within a cause, `detail` says more. Data: new_on_file, gone_from_file, moved_township, stratum (became monitored, fell below the line,
was released), own_facts (facts of its own moved it that way) or others (they did not: others passed it, or made room). Model and
capacity: the same word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any, Literal

from returnrisk.errors import ConfigError, DataError
from returnrisk.explain import explain_rows
from returnrisk.visits import listed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from returnrisk.features.snapshot import Snapshot
    from returnrisk.training import ScoredLearner

Swap = Literal["data", "model", "capacity"]
ORDER: tuple[Swap, ...] = ("data", "model", "capacity")
"""Data first: it changes by itself; the model by somebody's decision; the places last, being the simplest to see."""
WORDS = {
    "data": ("数据变了", "the data changed"),
    "model": ("模型重新训练了", "the model was trained again"),
    "capacity": ("名额变了", "the number of places changed"),
    "new_on_file": ("新登记的户", "new on file"),
    "gone_from_file": ("已不在册", "no longer on file"),
    "moved_township": ("迁到别的乡镇", "moved to another township"),
    "stratum": ("分类变了（纳入监测、已低于监测线或相反）", "another stratum (monitored, below the line, or back)"),
    "own_facts": ("本户情况变了", "the household's own facts changed"),
    "others": ("不是本户变化所致，别的户排到了前面或让出了名额", "not by facts of its own: others passed it or made room"),
}
"""What each cause and detail is called."""


@dataclass(frozen=True, slots=True, eq=False)
class ListState:
    """What one list is made from.

    Attributes
    ----------
    snapshot
        Features of its day.
    model
        Learner and curve, of the snapshot's features.
    per_township
        Places.
    """

    snapshot: Snapshot
    model: ScoredLearner
    per_township: int

    def scores(self) -> pd.DataFrame:
        """household_id, village_code, township_code, stratum, risk."""
        return _scores(self.snapshot, self.model)


@dataclass(frozen=True, slots=True, eq=False)
class ListChange:
    """Every household that is on one of two lists only, with its cause."""

    rows: pd.DataFrame
    steps: pd.DataFrame
    by_order: pd.DataFrame
    order: tuple[Swap, ...]

    def frame(self) -> pd.DataFrame:
        """One row per household that entered or left, by household.

        Columns: household_id, township_code (of the list it is on), direction ("entered" | "left"), cause ("data" | "model" |
        "capacity"), detail, cause_zh, cause_en, detail_zh, detail_en, risk_before, risk_after (NaN where it was not on file), family and
        log_odds_change: the reason family that moved its score most in the direction it went, by the swap that is the cause, and by how
        much (missing for capacity, for a household that one snapshot does not hold, and where no family moved that way).
        """
        return self.rows

    def counts(self) -> pd.DataFrame:
        """Cause, detail, entered, left: households."""
        counted = self.rows.groupby(["cause", "detail", "direction"]).size().unstack(fill_value=0)
        counted = counted.reindex(columns=["entered", "left"], fill_value=0).reset_index()
        place = counted["cause"].map({name: i for i, name in enumerate(self.order)})
        return counted.assign(place=place).sort_values(["place", "detail"], ignore_index=True).drop(columns="place")


def explain_change(before: ListState, after: ListState, *, order: Sequence[Swap] = ORDER) -> ListChange:
    """Decompose the change between two lists into data, model and capacity.

    Parameters
    ----------
    order
        In which the three are swapped.

    Returns
    -------
    ListChange
        `rows`: a cause for every household that entered or left. `steps`: after each swap the list's size, how many entered and left by
        it, and how many of those came back later (`undone`). `by_order`: for all six orders, households per cause.

    Raises
    ------
    ConfigError
        `order` does not name each of the three once.
    DataError
        The two snapshots have other features, or a model was trained on others.
    """
    import pandas as pd

    if sorted(order) != sorted(ORDER):
        raise ConfigError(f"order is {', '.join(order) or 'empty'}; expected data, model and capacity, each once")
    chain = tuple(order)
    _check(before, after)
    states = (before, after)
    scores = {(d, m): _scores(states[d].snapshot, states[m].model) for d in (0, 1) for m in (0, 1)}
    places = (before.per_township, after.per_township)
    lists = {(d, m, c): _listed_keys(scores[d, m], places[c]) for d in (0, 1) for m in (0, 1) for c in (0, 1)}
    steps, moved = _walk(lists, chain)
    rows = _rows(before, after, scores, moved, chain)
    orders = []
    for other in permutations(ORDER):
        _, found = _walk(lists, other)
        counted = pd.Series([name for name, _ in found.values()], dtype=object).value_counts()
        causes: dict[str, Any] = {name: int(counted.get(name, 0)) for name in ORDER}
        orders.append({"order": " → ".join(other)} | causes)
    return ListChange(rows=rows, steps=pd.DataFrame(steps), by_order=pd.DataFrame(orders), order=chain)


def _check(before: ListState, after: ListState) -> None:
    if before.snapshot.names != after.snapshot.names:
        raise DataError("the two snapshots have other features: compute both with one specification and one version")
    for state in (before, after):
        known = getattr(state.model.learner, "feature_names_", None)
        if known is not None and list(known) != state.snapshot.names:
            raise DataError(f"a model was trained on {len(known)} features that are not the snapshot's {len(state.snapshot.names)}")


def _scores(snapshot: Snapshot, model: ScoredLearner) -> pd.DataFrame:
    table = snapshot.frame()
    kept = table[["household_id", "village_code", "township_code", "stratum"]]
    return kept.assign(risk=model.risk(snapshot.matrix()))


def _listed_keys(scores: pd.DataFrame, per_township: int) -> frozenset[int]:
    return frozenset(scores.loc[listed(scores, per_township=per_township), "household_id"].tolist())


def _walk(
    lists: dict[tuple[int, int, int], frozenset[int]], order: Sequence[Swap]
) -> tuple[list[dict[str, Any]], dict[int, tuple[Swap, str]]]:
    """The lists along an order: what each swap did, and for every household that changed in the end the first swap and its direction."""
    at = {"data": 0, "model": 0, "capacity": 0}
    path = [lists[0, 0, 0]]
    for name in order:
        at[name] = 1
        path.append(lists[at["data"], at["model"], at["capacity"]])
    changed = path[0] ^ path[-1]
    moved: dict[int, tuple[Swap, str]] = {}
    steps = []
    for name, one, two in zip(order, path, path[1:], strict=False):
        for key in sorted((one ^ two) & changed):
            moved.setdefault(key, (name, "entered" if key in two else "left"))
        steps.append(
            {
                "swap": name,
                "listed": len(two),
                "entered": len(two - one),
                "left": len(one - two),
                "undone": len((one ^ two) - changed),
            }
        )
    return steps, moved


def _rows(
    before: ListState,
    after: ListState,
    scores: dict[tuple[int, int], pd.DataFrame],
    moved: dict[int, tuple[Swap, str]],
    order: Sequence[Swap],
) -> pd.DataFrame:
    import pandas as pd

    keys = sorted(moved)
    rows = pd.DataFrame(
        {
            "household_id": pd.Series(keys, dtype="int64"),
            "direction": pd.Series([moved[k][1] for k in keys], dtype="str"),
            "cause": pd.Series([moved[k][0] for k in keys], dtype="str"),
        }
    )
    old, new = (scores[i, i].set_index("household_id") for i in (0, 1))
    rows["risk_before"] = rows["household_id"].map(old["risk"])
    rows["risk_after"] = rows["household_id"].map(new["risk"])
    town = {"entered": rows["household_id"].map(new["township_code"]), "left": rows["household_id"].map(old["township_code"])}
    rows["township_code"] = town["entered"].where(rows["direction"] == "entered", town["left"]).astype("int64")
    facts = _data_details(before.snapshot, after.snapshot)
    rows["detail"] = rows["cause"].where(rows["cause"] != "data", rows["household_id"].map(facts)).astype("str")
    movers = _families(before, after, rows, data_first=order.index("data") < order.index("model"))
    rows = rows.merge(movers, on="household_id", how="left", validate="one_to_one")
    # facts of its own that differ, but none that would have moved it this way
    rows["detail"] = rows["detail"].mask((rows["detail"] == "own_facts") & rows["family"].isna(), "others")
    for column in ("cause", "detail"):
        rows[f"{column}_zh"] = rows[column].map({k: zh for k, (zh, _) in WORDS.items()}).astype("str")
        rows[f"{column}_en"] = rows[column].map({k: en for k, (_, en) in WORDS.items()}).astype("str")
    return rows[
        ["household_id", "township_code", "direction", "cause", "detail", "cause_zh", "cause_en", "detail_zh", "detail_en", "risk_before",
         "risk_after", "family", "log_odds_change"]
    ]  # fmt: skip


def _data_details(before: Snapshot, after: Snapshot) -> pd.Series:
    """By household on either file: what of its data differs, the plainest first."""
    import numpy as np
    import pandas as pd

    a, b = before.frame().set_index("household_id"), after.frame().set_index("household_id")
    keys = a.index.union(b.index)
    x, y = a.reindex(keys), b.reindex(keys)
    values = x[before.names].to_numpy("float64"), y[before.names].to_numpy("float64")
    same = ((values[0] == values[1]) | (np.isnan(values[0]) & np.isnan(values[1]))).all(axis=1)
    told = np.select(
        [
            ~keys.isin(a.index),
            ~keys.isin(b.index),
            (x["township_code"] != y["township_code"]).to_numpy(),
            (x["stratum"] != y["stratum"]).to_numpy(),
            ~same,
        ],
        ["new_on_file", "gone_from_file", "moved_township", "stratum", "own_facts"],
        default="others",
    )
    return pd.Series(told, index=keys)


def _families(before: ListState, after: ListState, rows: pd.DataFrame, *, data_first: bool) -> pd.DataFrame:
    """The family that moved each household's log-odds most in the direction it went, by the swap that is its cause.

    By data: contributions of one model (in force at that swap) to the new facts less those to the old. By model: contributions of the
    new model less those of the old, both to the facts in force at that swap.
    """
    import pandas as pd

    found = []
    model = before.model if data_first else after.model
    facts = after.snapshot if data_first else before.snapshot
    for cause, (old, new) in {
        "data": ((before.snapshot, model), (after.snapshot, model)),
        "model": ((facts, before.model), (facts, after.model)),
    }.items():
        mine = rows.loc[(rows["cause"] == cause) & (rows["detail"] != "others"), ["household_id", "direction"]]
        held = mine["household_id"].isin(old[0].frame()["household_id"]) & mine["household_id"].isin(new[0].frame()["household_id"])
        if held.any():
            found.append(_moved_most(mine[held], old, new))
    empty = pd.DataFrame({"household_id": pd.Series(dtype="int64"), "family": pd.Series(dtype="str"), "log_odds_change": []})
    return pd.concat(found, ignore_index=True) if found else empty


def _moved_most(mine: pd.DataFrame, old: tuple[Snapshot, ScoredLearner], new: tuple[Snapshot, ScoredLearner]) -> pd.DataFrame:
    import numpy as np

    families: list[str] = list(dict.fromkeys(f.family for f in old[0].features))
    change = _by_family(*new, mine["household_id"], families) - _by_family(*old, mine["household_id"], families)
    sign = np.where(mine["direction"] == "entered", 1.0, -1.0)
    best = (change * sign[:, None]).argmax(axis=1)
    amount = change[np.arange(len(mine)), best]
    told = amount * sign > 0
    found = mine[["household_id"]].assign(log_odds_change=np.where(told, amount, np.nan))
    found["family"] = [families[k] if moved else None for k, moved in zip(best, told, strict=True)]
    return found


def _by_family(snapshot: Snapshot, model: ScoredLearner, households: pd.Series, families: list[str]) -> np.ndarray:
    """Contributions (households, families), log-odds before calibration."""
    import numpy as np

    rows = snapshot.frame().set_index("household_id").loc[households.tolist()]
    values = explain_rows(model.learner, rows[snapshot.names].to_numpy("float64")).values
    of = np.array([f.family for f in snapshot.features])
    return np.column_stack([values[:, of == name].sum(axis=1) for name in families])
