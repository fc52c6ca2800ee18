"""Configuration: a model specification (`models/*.toml`) and a project's `returnrisk.toml`, as frozen dataclasses.

Every key is known; an unknown one is an error with the nearest known name. What a county may decide is here, nothing in code.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from returnrisk.errors import ConfigError, UnknownNameError
from returnrisk.resources import data_folder
from returnrisk.timeline import Settlement, Window

CONFIG_SCHEMA = 1
T = TypeVar("T")


Estimand = Literal["observed", "untreated"]
OutcomeKind = Literal["fall", "entry", "relapse", "persistence", "hardship", "guarantee_gap", "identified"]
Guarantee = Literal["housing", "water", "schooling", "medical"]
FEWEST_MONTHS: Mapping[Settlement, int] = {"month_end": 1, "quarter_end": 3, "income_year_end": 12}
"""Months between settlement days: the fewest an income year can hold on one of them, and the shortest horizon that always holds one."""


@dataclass(frozen=True, slots=True)
class HardshipSpec:
    """Which hardship, and from where on it is one. The thresholds are assumed: counties set their own, and they differ.

    `event` "net_of_rigid": net income less rigid expenditure per head is below `line_ratio` lines. "collapse": net income per head
    is at least `collapse_share` lower than twelve months before. "surge": rigid expenditure is more than `surge_share` of net income.
    """

    event: Literal["net_of_rigid", "collapse", "surge"] = "net_of_rigid"
    line_ratio: float = 1.0
    collapse_share: float = 0.5
    surge_share: float = 0.6


@dataclass(frozen=True, slots=True)
class OutcomeSpec:
    """What is predicted, when it is looked at, on which account and window (`docs/outcomes.md` has the kinds side by side).

    `rule` "first": the event on any settlement day in (as_of, as_of + horizon]. "at_end": on the last of them. "every": on all of
    them (persistence only). `min_months` is the number of delivered months under which a settlement is not computable (never low
    income). Features still scale a window with at least `partial_months`: a township that misses one file is known less well, not
    unknown. `hardship` and `guarantees` (which of them are watched) matter to the kinds of that name only.
    """

    kind: OutcomeKind = "fall"
    rule: Literal["first", "at_end", "every"] = "first"
    horizon_months: int = 12
    account: Literal["register_net"] = "register_net"
    window: Window = field(default_factory=Window)
    settlement: Settlement = "quarter_end"
    min_months: int = 12
    partial_months: int = 10
    hardship: HardshipSpec = field(default_factory=HardshipSpec)
    guarantees: tuple[Guarantee, ...] = ("housing", "water", "schooling", "medical")


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """Which `as_of` days a model learns from: one every `step_months`, the last ones for calibration and test."""

    step_months: int = 3
    min_history_months: int = 12
    n_calibrate: int = 2
    n_test: int = 2


REWEIGHTING = frozenset({
    "class_weight", "is_unbalance", "unbalance", "unbalanced_sets", "scale_pos_weight", "pos_weight", "pos_bagging_fraction", "pos_sub_row",
    "pos_subsample", "pos_bagging", "neg_bagging_fraction", "neg_sub_row", "neg_subsample", "neg_bagging", "undersampling", "oversampling",
    "resampling", "smote",
})  # fmt: skip
"""Parameters that count a row by its outcome: LightGBM's with their aliases, scikit-learn's, and words for drawing rows."""


@dataclass(frozen=True, slots=True)
class LearnerSpec:
    """Name of a learner and its parameters."""

    name: Literal["lightgbm", "logistic", "income_only", "hazard", "vulnerability", "scorecard", "average", "alert_rules"] = (
        "lightgbm"
    )
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """How scores become probabilities (`docs/calibration.md`); `refit` learns again on fit and calibration days once the curve is known.

    `method` "auto": as held-out days choose. `curve_from` "later_days": the calibration days, scored by the learner of the fit days.
    "cross_fitted": the days of the final learner, every fifth of the villages scored by a learner of the other four.
    """

    method: Literal["sigmoid", "beta", "isotonic", "venn_abers", "auto"] = "sigmoid"
    refit: bool = True
    curve_from: Literal["later_days", "cross_fitted"] = "later_days"


@dataclass(frozen=True, slots=True)
class EvaluationSpec:
    """How a model is measured: share of households a list can hold, replicates (villages resampled) and their seed.

    `lead_days`: how long before a fall a list must have named the household to have come in time (assumed). `min_group_events`: falls under
    which a group is not measured (assumed).
    """

    capacity: float = 0.1
    n_bootstrap: int = 300
    seed: int = 0
    lead_days: int = 30
    min_group_events: int = 20


@dataclass(frozen=True, slots=True)
class GatesSpec:
    """What a version must show on its held-out days to become champion (`docs/gates.md`). All limits are assumed: a county sets its own.

    Attributes
    ----------
    min_events
        Held-out events under which nothing is judged.
    better_than_income
        The interval of the model's AUC less that of income alone lies above 0.
    min_calibration_slope, max_calibration_slope, max_calibration_level, max_ece
        The interval of the slope meets this band, that of the calibration in the large (log-odds) lies not wholly beyond plus or minus this level,
        and the expected calibration error is no larger.
    max_recall_loss
        How far recall of the list may lie below the champion's.
    groups, min_group_ratio
        Groupings (`fairness.GROUPINGS`) that are judged: what a family is and where it lives, not what happened to it, for a risk that nobody
        could foresee is rightly missed more; and the least ratio of a group's recall to that of the rest (four fifths, as in employment
        testing) where chance does not explain it.
    leakage
        The leakage linter is run.
    """

    min_events: int = 50
    better_than_income: bool = True
    min_calibration_slope: float = 0.8
    max_calibration_slope: float = 1.25
    max_calibration_level: float = 0.25
    max_ece: float = 0.02
    max_recall_loss: float = 0.02
    groups: tuple[str, ...] = (
        "head_sex", "head_age", "head_ethnicity", "disabled", "remote_village", "minority_area", "resettled", "on_file",
    )  # fmt: skip
    min_group_ratio: float = 0.8
    leakage: bool = True


@dataclass(frozen=True, slots=True)
class DriftSpec:
    """When a month counts as drifted (`docs/drift.md`). All values are assumed, chosen by the false alarms of simulated clean months.

    Attributes
    ----------
    feature_psi, risk_psi
        Population stability index of one feature, and of the risks: at most so much.
    family_share, alone
        Share of a family's features that have moved; one feature by itself is an alarm from so many times its limit on.
    times_past
        So many times what earlier days had moved by is no news either.
    expected_falls_ratio
        Mean risk over that of the test days, either way.
    calibration_ratio
        Observed over expected falls, either way, with an interval that leaves out 1.
    calibration_slope
        A slope whose interval ends below this: high risks are no longer as high as they say.
    late_months, late_days
        Months by which a source is later than usual; days before the end of a month by which a file must usually have come to be missed at its end.
    rows_share
        Share of the usual rows under which a month is a part of one.
    codes_psi, new_code_share
        Index of a column's codes; share of rows from which a code that came or went counts.
    unit_factor
        Median amount over that of the year before, either way.
    min_rows
        Rows of a month under which its codes, amounts and number of rows are not judged.
    """

    feature_psi: float = 0.25
    risk_psi: float = 0.25
    family_share: float = 0.25
    alone: float = 3.0
    times_past: float = 2.0
    expected_falls_ratio: float = 1.5
    calibration_ratio: float = 1.25
    calibration_slope: float = 0.8
    late_months: int = 1
    late_days: int = 5
    rows_share: float = 0.5
    codes_psi: float = 0.25
    new_code_share: float = 0.05
    unit_factor: float = 5.0
    min_rows: int = 50


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model, complete: the content of one file in `models/`.

    `estimand` "observed": the outcome as households are helped. "untreated" (of `fall` only): if support held at `as_of` continues and no
    new measure starts, assuming no unmeasured confounding (`docs/untreated.md`).
    """

    schema: int
    name: str
    title_zh: str
    title_en: str
    families: tuple[str, ...]
    estimand: Estimand = "observed"
    outcome: OutcomeSpec = field(default_factory=OutcomeSpec)
    split: SplitSpec = field(default_factory=SplitSpec)
    learner: LearnerSpec = field(default_factory=LearnerSpec)
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)
    evaluation: EvaluationSpec = field(default_factory=EvaluationSpec)
    gates: GatesSpec = field(default_factory=GatesSpec)
    drift: DriftSpec = field(default_factory=DriftSpec)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON-able content."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, slots=True)
class TierSpec:
    """A follow-up tier: households at or above `from_risk` (assumed values; a county sets its own)."""

    name: str
    zh: str
    en: str
    from_risk: float


@dataclass(frozen=True, slots=True)
class VisitsSpec:
    """Capacity in households per township and month, places by lot beside it, tiers and reasons shown (all assumed, all the county's)."""

    per_township: int = 40
    random_places: int = 0
    top_reasons: int = 3
    tiers: tuple[TierSpec, ...] = (
        TierSpec("high", "高", "high", 0.15),
        TierSpec("medium", "中", "medium", 0.05),
        TierSpec("low", "低", "low", 0.0),
    )


@dataclass(frozen=True, slots=True)
class SqlSourceSpec:
    """A query whose answer is ingested as a file of `table`; the url, which may hold a password, is never shown."""

    name: str
    table: str
    url: str = field(repr=False)
    query: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HalfDeliverySpec:
    """When a delivery is only half of one (assumed values; no county plan states any).

    Attributes
    ----------
    shares
        Table to the least share of the usual number of household-periods that counts as delivered; none: nothing is judged.
    months
        How far back deliveries tell what is usual.
    min_earlier
        So many earlier deliveries are needed.
    min_usual
        Townships with fewer household-periods are not judged.
    """

    shares: Mapping[str, float] = field(default_factory=lambda: {"income": 0.5})
    months: int = 12
    min_earlier: int = 3
    min_usual: int = 20


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """Which pack of rules a county works under: one of its own in `policy/`, or a shipped one."""

    pack: str = "national"


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """`returnrisk.toml` of a user's folder.

    `delay_days` overrides a contract's declared reporting delay, by table; `synthetic` marks a simulated county; `tracking_uri` is that of an
    MLflow server, where models are not registered in the folder itself (it may hold a password and is never shown).
    """

    schema: int = CONFIG_SCHEMA
    county_zh: str = ""
    county_en: str = ""
    synthetic: bool = False
    key_file: str = "pseudonym.key"
    model: str = "fall-12m"
    seed: int = 0
    delay_days: Mapping[str, int] = field(default_factory=dict)
    half_delivery: HalfDeliverySpec = field(default_factory=HalfDeliverySpec)
    visits: VisitsSpec = field(default_factory=VisitsSpec)
    policy: PolicySpec = field(default_factory=PolicySpec)
    tracking_uri: str = field(default="", repr=False)
    sources: tuple[SqlSourceSpec, ...] = ()


def _build(kind: type[T], content: Any, *, where: str) -> T:
    """Fill dataclass `kind` from parsed TOML, refusing unknown keys and wrong types."""
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} is {type(content).__name__}; expected a table")
    hints = typing.get_type_hints(kind)
    for key in content:
        if key not in hints:
            raise UnknownNameError(f"key in {where}", key, hints)
    try:
        return kind(**{k: _convert(hints[k], v, where=f"{where}.{k}") for k, v in content.items()})
    except TypeError as error:
        raise ConfigError(f"{where} is incomplete: {error}") from error


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, where=where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{where} is {value!r}; expected one of {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_convert(arguments[0], v, where=f"{where}[{i}]") for i, v in enumerate(value))
    if origin is Mapping and arguments[1] is not Any and isinstance(value, Mapping):
        return {key: _convert(arguments[1], v, where=f"{where}.{key}") for key, v in value.items()}
    expected: Any = {float: (int, float)}.get(hint, origin or hint)
    if isinstance(value, bool) is not (hint is bool) or not isinstance(value, expected) or isinstance(hint, types.UnionType):
        raise ConfigError(f"{where} is {value!r}; expected {getattr(hint, '__name__', hint)}")
    return value


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not TOML in UTF-8: {error}") from error


def _refuse_schema(found: Any, *, where: str) -> None:
    if found != CONFIG_SCHEMA:
        raise ConfigError(f"{where} has schema {found!r}; this version reads schema {CONFIG_SCHEMA}")


def parse_model_spec(content: Mapping[str, Any], *, where: str = "model specification") -> ModelSpec:
    """A model specification from parsed TOML.

    Raises
    ------
    ConfigError
        Another schema, a missing or unknown key, a value outside its closed list.

    Examples
    --------
    >>> parse_model_spec({"schema": 1, "name": "a", "title_zh": "甲", "title_en": "A", "families": ["income"],
    ...                   "outcome": {"horizn_months": 6}})
    Traceback (most recent call last):
        ...
    returnrisk.errors.UnknownNameError: unknown key in model specification.outcome 'horizn_months'; did you mean 'horizon_months'? known: ...
    """
    _refuse_schema(content.get("schema"), where=where)
    spec = _build(ModelSpec, content, where=where)
    _refuse_impossible(spec.outcome, where=f"{where}.outcome")
    refuse_reweighting(spec.learner.params, where=f"{where}.learner.params")
    _refuse_estimand(spec, where=where)
    _refuse_impossible_drift(spec.drift, where=f"{where}.drift")
    if not 0 < spec.evaluation.capacity < 1:
        raise ConfigError(f"{where}.evaluation.capacity is {spec.evaluation.capacity}; expected a share between 0 and 1")
    _refuse_impossible_gates(spec.gates, where=f"{where}.gates")
    if spec.evaluation.min_group_events < 1:
        raise ConfigError(
            f"{where}.evaluation.min_group_events is {spec.evaluation.min_group_events}; expected 1 or more, 20 are usual"
        )
    return spec


def _refuse_impossible_gates(gates: GatesSpec, *, where: str) -> None:
    """A limit outside its range would refuse everything, or nothing ever."""
    ranges = {
        "min_events": (20, 100_000),
        "min_calibration_slope": (0.1, 1.0),
        "max_calibration_slope": (1.0, 10.0),
        "max_calibration_level": (0.0, 2.0),
        "max_ece": (0.0, 0.5),
        "max_recall_loss": (0.0, 0.5),
        "min_group_ratio": (0.05, 1.0),
    }
    for name, (least, most) in ranges.items():
        if not least <= (value := getattr(gates, name)) <= most:
            raise ConfigError(f"{where}.{name} is {value}; expected {least:g} to {most:g}")


def refuse_reweighting(params: Mapping[str, Any], *, where: str) -> None:
    """No learner may count events more than they happen: its log-odds would be of another county (`docs/labels.md`).

    Raises
    ------
    ConfigError
        A parameter of `REWEIGHTING`.
    """
    if named := sorted(REWEIGHTING & set(params)):
        raise ConfigError(
            f"{where} names {', '.join(named)}: it counts households by their outcome, so a 2% risk would be shown as 30 or 50%. It does"
            f" not rank better what trees rank already, and a rare event needs no balance. Leave it out; lists take the highest risks anyway"
        )
    members = params.get("members")
    for i, member in enumerate(members if isinstance(members, list) else []):  # of an average
        if isinstance(member, Mapping) and isinstance(member.get("params"), Mapping):
            refuse_reweighting(member["params"], where=f"{where}.members[{i}].params")


def _refuse_estimand(spec: ModelSpec, *, where: str) -> None:
    """What would become of households without new help can be asked of `fall` alone, and learnt only from weighted outcomes."""
    if spec.estimand == "observed":
        return
    if spec.outcome.kind != "fall":
        raise ConfigError(f'{where}.estimand is "untreated", but the outcome is {spec.outcome.kind}; expected kind "fall"')
    if spec.learner.name == "vulnerability":
        raise ConfigError(
            f'{where}.estimand is "untreated", but the learner vulnerability learns from incomes as they were, with help, and not from '
            f"weighted outcomes; expected another learner"
        )
    if spec.calibration.method == "auto":
        raise ConfigError(
            f'{where}.estimand is "untreated", but calibration "auto" chooses without weights; expected a method by its name'
        )


def _refuse_impossible(outcome: OutcomeSpec, *, where: str) -> None:
    """Settings that no household could ever have an outcome under, or whose outcome would not be the one that is named."""
    step = FEWEST_MONTHS[outcome.settlement]
    if not step <= outcome.horizon_months <= 60:
        raise ConfigError(
            f"{where}.horizon_months is {outcome.horizon_months}; expected {step} to 60, so that it always holds a {outcome.settlement}"
        )
    if min(outcome.min_months, outcome.partial_months) < 1:
        raise ConfigError(
            f"{where} has min_months {outcome.min_months} and partial_months {outcome.partial_months}; expected 1 or more"
        )
    if outcome.window.kind == "trailing" and outcome.min_months > outcome.window.months:
        raise ConfigError(f"{where}.min_months is {outcome.min_months}, more than the window's {outcome.window.months} months")
    if outcome.window.kind == "income_year" and outcome.min_months > step:
        raise ConfigError(
            f"{where}.min_months is {outcome.min_months}, but an income year looked at on every {outcome.settlement} holds as few as "
            f"{step} months: no household could be settled. Settle at income_year_end, or lower min_months"
        )
    rules = {"persistence": ("at_end", "every"), "identified": ("first",)}.get(outcome.kind, ("first", "at_end"))
    if outcome.rule not in rules:
        raise ConfigError(f"{where}.rule is {outcome.rule!r}; expected {' or '.join(map(repr, rules))} for {outcome.kind}")
    if not outcome.guarantees:
        raise ConfigError(f"{where}.guarantees is empty; name at least one that is watched")
    shares = {"collapse_share": outcome.hardship.collapse_share < 1, "line_ratio": True, "surge_share": True}
    for name, below_one in shares.items():
        value = getattr(outcome.hardship, name)
        if value <= 0 or not below_one:
            raise ConfigError(
                f"{where}.hardship.{name} is {value}; expected more than 0{' and less than 1' if name == 'collapse_share' else ''}"
            )


def _refuse_impossible_drift(rule: DriftSpec, *, where: str) -> None:
    ranges: dict[str, tuple[float, float]] = {
        **dict.fromkeys(("feature_psi", "risk_psi", "codes_psi"), (0.01, 10)),
        **dict.fromkeys(("expected_falls_ratio", "calibration_ratio", "unit_factor"), (1.01, 100)),
        **dict.fromkeys(("times_past", "alone"), (1, 10)),
        "calibration_slope": (0.1, 1),
        "late_months": (1, 24),
        "late_days": (0, 28),
        "family_share": (0.01, 1),
        "rows_share": (0.01, 1),
        "new_code_share": (0.001, 1),
        "min_rows": (10, 1_000_000),
    }
    for name, (least, most) in ranges.items():
        if not least <= (value := getattr(rule, name)) <= most:
            raise ConfigError(f"{where}.{name} is {value}; expected {least} to {most}")


def model_spec_names() -> list[str]:
    """Names of the shipped model specifications, sorted."""
    return sorted(p.stem for p in data_folder("models").glob("*.toml"))


def load_model_spec(name_or_path: str | Path) -> ModelSpec:
    """A shipped specification by name, or any file by path.

    Raises
    ------
    UnknownNameError
        No such file and no such shipped specification.

    Examples
    --------
    >>> load_model_spec("fall-12m").outcome.horizon_months
    12
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = data_folder("models") / f"{name_or_path}.toml"
    if not path.is_file():
        raise UnknownNameError("model specification", str(name_or_path), model_spec_names())
    return parse_model_spec(_read_toml(path), where=path.name)


def load_project_config(path: Path) -> ProjectConfig:
    """`returnrisk.toml` of a project folder.

    Raises
    ------
    ConfigError
        It is missing, not TOML, of another schema, or has a wrong key or value.
    """
    if not path.is_file():
        raise ConfigError(
            f"no {path.name} in {path.parent.name or '.'}: run `returnrisk init` there, or name the folder with --project"
        )
    content = _read_toml(path)
    _refuse_schema(content.get("schema"), where=path.name)
    config = _build(ProjectConfig, content, where=path.name)
    _refuse_impossible_halves(config.half_delivery, where=f"{path.name}.half_delivery")
    return config


def _refuse_impossible_halves(rule: HalfDeliverySpec, *, where: str) -> None:
    ranges: dict[str, tuple[float, float, float]] = {
        "months": (rule.months, 1, 60),
        "min_earlier": (rule.min_earlier, 1, rule.months),
        "min_usual": (rule.min_usual, 1, 1_000_000),
        **{f"shares.{table}": (share, 0.01, 1) for table, share in rule.shares.items()},
    }
    for name, (value, least, most) in ranges.items():
        if not least <= value <= most:
            raise ConfigError(f"{where}.{name} is {value}; expected {least} to {most}")
