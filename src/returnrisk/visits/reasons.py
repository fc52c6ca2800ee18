"""Which reasons stand on the list: must-visit reasons first, then the model's; none missing, none that cannot be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from returnrisk.errors import ContractViolation, ExplanationError

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = ("text_zh", "text_en", "verify_zh", "verify_en")
_COLUMNS = ("household_id", "position", *_TEXTS)


def shown_reasons(
    reasons: pd.DataFrame,
    must_visit_reasons: pd.DataFrame | None,
    *,
    listed: pd.DataFrame,
    must_visits: pd.Series,
    k: int,
) -> pd.DataFrame:
    """One row per listed household: household_id, reason_1_zh, reason_1_en .. reason_k_*, verify_zh, verify_en.

    A household with fewer than `k` reasons has missing values in the rest. What to verify is joined in the order of the reasons
    shown, each text once.

    Raises
    ------
    ContractViolation
        Missing columns, a position given twice, or a must-visit reason for a household that is none.
    ExplanationError
        A listed household without a reason, or with a blank one.
    """
    import pandas as pd

    parts = [_checked(reasons, "reasons").assign(source=1)]
    if must_visit_reasons is not None:
        must = _checked(must_visit_reasons, "must-visit reasons")
        if (strange := ~must["household_id"].isin(must_visits)).any():
            raise ContractViolation(
                f"{must.loc[strange, 'household_id'].nunique()} households have a must-visit reason but are not below the line; "
                f"give must-visit reasons for the stratum below_line only"
            )
        parts.append(must.assign(source=0))
    long = pd.concat(parts, ignore_index=True)
    long = long.loc[long["household_id"].isin(listed["household_id"])].sort_values(["household_id", "source", "position"])
    long["shown"] = long.groupby("household_id").cumcount() + 1
    long = long.loc[long["shown"] <= k]
    _refuse_gaps(long, n_listed=len(listed), n_without=int((~listed["household_id"].isin(long["household_id"])).sum()))
    return _wide(long, listed["household_id"], k=k)


def _checked(frame: pd.DataFrame, what: str) -> pd.DataFrame:
    if missing := [column for column in _COLUMNS if column not in frame.columns]:
        raise ContractViolation(f"{what} have no column {', '.join(missing)}; found {', '.join(map(str, frame.columns)) or 'none'}")
    if (twice := frame.duplicated(["household_id", "position"])).any():
        raise ContractViolation(f"{int(twice.sum())} {what} share household and position with another; expected one each")
    return frame.loc[:, list(_COLUMNS)]


def _refuse_gaps(shown: pd.DataFrame, *, n_listed: int, n_without: int) -> None:
    """A score without a reason, or a reason that cannot be checked at the door, must never reach a cadre."""
    if n_without:
        raise ExplanationError(
            f"{n_without} of {n_listed} listed households have no reason; expected at least one each: explain every household "
            f"that is scored, and give must-visit reasons for those below the line"
        )
    blank = {column: int((shown[column].isna() | (shown[column].astype("str").str.strip() == "")).sum()) for column in _TEXTS}
    if any(blank.values()):
        counts = ", ".join(f"{column} {count}" for column, count in blank.items() if count)
        raise ExplanationError(
            f"of {len(shown)} reasons to be shown some have blank texts ({counts}); expected text and what to verify"
        )


def _wide(long: pd.DataFrame, household_ids: pd.Series, *, k: int) -> pd.DataFrame:
    import pandas as pd

    wide = pd.DataFrame(index=pd.Index(household_ids.astype("int64"), name="household_id"))
    for position in range(1, k + 1):
        at = long.loc[long["shown"] == position].set_index("household_id")
        for language in ("zh", "en"):
            wide[f"reason_{position}_{language}"] = at[f"text_{language}"].reindex(wide.index).astype("str")
    for language, joint in (("zh", "；"), ("en", "; ")):
        texts = long.drop_duplicates(["household_id", f"verify_{language}"])
        joined = texts.groupby("household_id")[f"verify_{language}"].agg(joint.join)
        wide[f"verify_{language}"] = joined.reindex(wide.index).astype("str")
    return wide.reset_index()
