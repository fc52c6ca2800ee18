"""What is refused, or told, before anything is fitted: names that do not exist, too few households or events, families that never came.

    names       a family, hyper-parameter or feature that does not exist            refused, with the nearest that does
    households  one of them twice in a snapshot; a part with fewer than a minimum   refused
    outcomes    a part with fewer than a minimum of either (one class included)     refused
    families    one that is unknown for every household that is learnt from         refused, with the tables that did not arrive
    features    one that never differs among those learnt from                      kept in the snapshot, told, of no weight in any learner

A constant feature is no fault: a county without a flood has no losses. Every learner leaves it out (tested), and the snapshot's
columns stay the same in every county and month. Only the one feature that a learner ranks by may not be constant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING

from returnrisk.config import LearnerSpec, ModelSpec
from returnrisk.errors import ConfigError, DataError, NotEnoughDataError, UnknownNameError
from returnrisk.features.catalogue import Feature
from returnrisk.features.families import EVERY, catalogue
from returnrisk.models import make_learner

if TYPE_CHECKING:
    import pandas as pd

MINIMUM_EVENTS = 20
"""Events under which neither fitting nor calibrating is attempted (assumed; a rule of thumb for a two-parameter curve)."""
MINIMUM_HOUSEHOLDS = 100
"""Households at risk under which no part is used (assumed): a tenth of them, the usual list, is then ten."""
SET_ASIDE_COLUMNS = ("feature", "family", "why")
NAMING_PARAMETERS = ("column", "columns", "cuts", "duration", "season", "must_visit", "alerts")
"""Hyper-parameters that hold names of features."""


def refuse_unknown_names(spec: ModelSpec) -> None:
    """Refuse families, hyper-parameters and features that do not exist; nothing is computed.

    Raises
    ------
    UnknownNameError
        With the nearest name that exists; of a feature that another family holds, that family is named.
    ConfigError
        A value that cannot be meant.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from returnrisk.config import load_model_spec
    >>> card = load_model_spec("fall-12m-scorecard")
    >>> refuse_unknown_names(replace(card, learner=LearnerSpec("scorecard", {"columns": ["n_sick"]})))
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown feature of fall-12m-scorecard 'n_sick'; ...
    """
    names = [f.name for f in catalogue(spec.families)]
    make_learner(spec.learner.name, feature_names=names, params=spec.learner.params)
    for name in named_features(spec.learner):
        if name not in names:
            elsewhere = [f.family for f in catalogue() if f.name == name]
            where = f" (of family {elsewhere[0]}, which its [families] lack)" if elsewhere else ""
            raise UnknownNameError(f"feature of {spec.name}{where}", name, names)


def refuse_unweighted(spec: ModelSpec, *, what: str) -> None:
    """Refuse the estimand "untreated" where outcomes are taken as they are: only training and evaluation weigh them.

    Raises
    ------
    ConfigError
        The specification asks for what would happen without new help.
    """
    if spec.estimand != "observed":
        raise ConfigError(
            f'{spec.name}: {what} takes outcomes as they were, with help; estimand "{spec.estimand}" needs them weighted, which only training '
            "and evaluation do"
        )


def named_features(learner: LearnerSpec) -> list[str]:
    """Features that the learner's hyper-parameters name, each once."""
    given = [learner.params.get(name) for name in NAMING_PARAMETERS]
    every = [[value] if isinstance(value, str) else list(value) for value in given if value is not None]
    return list(dict.fromkeys(str(name) for names in every for name in names))


def refuse_twice(households: pd.DataFrame, day: dt.date) -> None:
    """Refuse a snapshot that holds a household twice: it would be learnt from twice, or with another's outcome."""
    if n := int(households["household_id"].duplicated().sum()):
        raise DataError(
            f"the snapshot of {day} holds {n} households twice: nothing can be learnt from it. One row per household is expected; a cached "
            "one can be removed from snapshots/ and is made anew"
        )


def refuse_few(rows: pd.DataFrame, part: str) -> None:
    """Refuse labelled rows (household_id, y) of fewer households or of fewer events or non-events than the minimum.

    Raises
    ------
    NotEnoughDataError
        `MINIMUM_HOUSEHOLDS` or `MINIMUM_EVENTS` is not reached.
    """
    events, others = int(rows["y"].sum()), int(len(rows) - rows["y"].sum())
    if min(events, others) < MINIMUM_EVENTS:
        raise NotEnoughDataError(
            f"{part}: {events} events among {len(rows)} household-days; at least {MINIMUM_EVENTS} of each outcome are needed. Give more history, "
            f"more households or a longer horizon"
        )
    if (n := rows["household_id"].nunique()) < MINIMUM_HOUSEHOLDS:
        raise NotEnoughDataError(
            f"{part}: {n} households at risk with a known outcome; at least {MINIMUM_HOUSEHOLDS} are needed. Take a larger area or cohort"
        )


def what_is_known(rows: pd.DataFrame, features: Iterable[Feature]) -> pd.DataFrame:
    """How much some rows tell of each feature, by name: n (rows), n_known, lowest, highest (NaN where nothing is known)."""
    import numpy as np
    import pandas as pd

    names = [f.name for f in features]
    values = rows[names]
    known = {"n": len(rows), "n_known": values.notna().sum().to_numpy(), "lowest": np.nan, "highest": np.nan}
    table = pd.DataFrame(known, index=pd.Index(names, name="feature"))
    return table.assign(lowest=values.min().astype("float64"), highest=values.max().astype("float64")) if len(rows) else table


def put_together(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """What `what_is_known` would give of all rows together, from that of each part."""
    import pandas as pd

    parts = list(parts)
    by_name = pd.concat(parts).groupby(level=0, sort=False)
    return by_name.agg({"n": "sum", "n_known": "sum", "lowest": "min", "highest": "max"}).loc[parts[0].index]


def refuse_unknown_families(known: pd.DataFrame, families: Iterable[str], part: str) -> None:
    """Refuse rows (`what_is_known`) in which every feature of a family is missing in every row.

    Raises
    ------
    NotEnoughDataError
        Family by family, with the tables that would tell.
    """
    unknown = []
    for name in families:
        family = EVERY[name]
        if not known.loc[[f.name for f in family.features], "n_known"].any():
            tables = " nor ".join(family.tables) or "row of its tables"
            unknown.append(f"{name} ({'neither ' if len(family.tables) > 1 else 'no '}{tables} arrived)")
    if unknown:
        raise NotEnoughDataError(
            f"{part}: of {known['n'].max()} household-days not one has anything known of family {', '.join(unknown)}. Deliver the table, start "
            "later, or take the family out of `families` in the specification"
        )


def set_aside(known: pd.DataFrame, features: Iterable[Feature]) -> pd.DataFrame:
    """Features that tell nothing because they never differ: `SET_ASIDE_COLUMNS`, why is "constant" or "missing"."""
    import pandas as pd

    families = {f.name: f.family for f in features}
    missing = known["n_known"] == 0
    constant = (known["n_known"] == known["n"]) & (known["lowest"] == known["highest"])
    why = pd.Series("constant", index=known.index).mask(missing, "missing")[missing | constant]
    found = why.rename_axis("feature").rename("why").reset_index().assign(family=lambda t: t["feature"].map(families))
    return found[list(SET_ASIDE_COLUMNS)]


def refuse_nothing_to_rank_by(aside: pd.DataFrame, spec: ModelSpec, part: str) -> None:
    """Refuse a specification whose learner ranks by one feature (`column`), or by a list of features, that all never differ.

    Raises
    ------
    NotEnoughDataError
        The features it names are all set aside.
    """
    single = spec.learner.params.get("column")
    named = [single] if isinstance(single, str) else named_features(spec.learner)
    if named and set(named) <= set(aside["feature"]):
        raise NotEnoughDataError(
            f"{part}: {', '.join(named)} never differ among the rows learnt from: {spec.name} has nothing to rank by. Name others, or give "
            "more history"
        )


def refuse_untold(known: pd.DataFrame, spec: ModelSpec, part: str) -> pd.DataFrame:
    """Both refusals above, for one specification; what is set aside if neither applies."""
    refuse_unknown_families(known, spec.families, part)
    features = catalogue(spec.families)
    aside = set_aside(known.loc[[f.name for f in features]], features)
    refuse_nothing_to_rank_by(aside, spec, part)
    return aside
