"""A project folder and its stages: files → store → snapshot → model → risks with reasons → visit list → report.

    project = open_project("my-county")
    project.ingest()                      # inbox/ → store/
    project.train(as_of=day)              # → models/exported/, mlruns/, alias candidate
    project.promote()                     # candidate → champion
    project.run(as_of=day)                # the monthly job: ingest, score, list, report → outputs/<day>/

Each stage reads what the one before it wrote; the same data and the same model give the same bytes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.config import ModelSpec, ProjectConfig, load_model_spec, load_project_config
from returnrisk.errors import (
    BundleError,
    ConfigError,
    DataError,
    GateRefusedError,
    NotEnoughDataError,
    RegistryError,
    UnknownNameError,
    UsageError,
)
from returnrisk.features.snapshot import Snapshot
from returnrisk.policy import Policy, load_policy
from returnrisk.project_texts import CONFIG_TEMPLATE
from returnrisk.run_manifest import NAME as MANIFEST
from returnrisk.run_manifest import seal, unseal
from returnrisk.scoring import Scores, score_snapshot
from returnrisk.stage_results import (
    AlertResult,
    BacktestResult,
    Promotion,
    RecalibrationResult,
    ReportResult,
    RunResult,
    ScreenResult,
    TrainResult,
    TuneResult,
    VisitResult,
)
from returnrisk.store.files import sha256_of, write_atomically
from returnrisk.store.names import identities, village_names
from returnrisk.store.view import Store, View, open_store

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.accounts import Account, HouseholdAccount
    from returnrisk.accuracy import Accuracy
    from returnrisk.audit_trail import Verified
    from returnrisk.backtest import BacktestSettings
    from returnrisk.drift import MonthDrift, Reference
    from returnrisk.gates import Evidence
    from returnrisk.ingest.inbox import IngestResult
    from returnrisk.leakage import LeakageAudit
    from returnrisk.recalibration import Asked
    from returnrisk.registry.bundle import Bundle
    from returnrisk.registry.catalogue import Catalogue, ModelVersion
    from returnrisk.reproduction import Reproduction
    from returnrisk.screening_outputs import ExportRequest
    from returnrisk.stability import ListChange, StabilityAudit
    from returnrisk.training import Training
    from returnrisk.tuning import TuningSettings
    from returnrisk.what_if import WhatIf

Progress = Callable[[str, int, int], None]
CONFIG_FILE = "returnrisk.toml"
VISIT_CHANCES = "visit_chances.parquet"


def init_project(
    root: Path, *, key: bytes | None = None, county_zh: str = "", county_en: str = "", synthetic: bool = False
) -> Project:
    """Make a project folder with its configuration and a fresh pseudonym key.

    Raises
    ------
    ConfigError
        There is a project already; nothing is touched.
    """
    config = root / CONFIG_FILE
    if config.exists():
        raise ConfigError(f"{root.name}/{CONFIG_FILE} exists already: nothing was changed")
    for folder in ("inbox", "outputs"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    key_file = root / "pseudonym.key"
    if not key_file.exists():
        write_atomically(key_file, lambda p: p.write_bytes(key or secrets.token_hex(32).encode()))
        key_file.chmod(0o600)
    named = {"county_zh": json.dumps(county_zh, ensure_ascii=False), "county_en": json.dumps(county_en, ensure_ascii=False)}
    text = CONFIG_TEMPLATE.format(**named, synthetic=str(synthetic).lower())
    write_atomically(config, lambda p: p.write_text(text, encoding="utf-8"))
    return open_project(root)


def open_project(root: str | Path) -> Project:
    """Open an existing project folder.

    Raises
    ------
    ConfigError
        No `returnrisk.toml` there, or a wrong one.

    Examples
    --------
    >>> import tempfile
    >>> made = init_project(Path(tempfile.mkdtemp()), county_zh="示例县", county_en="Example County")
    >>> open_project(made.root).config.model
    'fall-12m'
    """
    folder = Path(root)
    return Project(root=folder, config=load_project_config(folder / CONFIG_FILE))


@dataclass(frozen=True)
class Project:
    """A user's folder (DESIGN: `inbox/ store/ snapshots/ models/exported/ mlruns/ outputs/`) and the stages that work on it."""

    root: Path
    config: ProjectConfig
    progress: Progress = field(default=lambda *_: None, repr=False, compare=False)
    outputs: Path | None = None
    """Where lists and reports go; None: `outputs/` of the folder."""

    @cached_property
    def spec(self) -> ModelSpec:
        """The model specification in use: a `.toml` of the folder, or a shipped one by name."""
        return self.specification(self.config.model)

    def specification(self, name: str) -> ModelSpec:
        """A model specification: a `.toml` file by path, one of the folder's `models/` by name, or a shipped one by name.

        Raises
        ------
        UnknownNameError
            There is none of that name.
        ConfigError
            The file is wrong.
        """
        own = self.root / "models" / f"{name}.toml"
        return load_model_spec(own if own.is_file() else name)

    @cached_property
    def policy(self) -> Policy:
        """The policy pack in use: one of the folder's `policy/`, or a shipped one."""
        return load_policy(self.config.policy.pack, self.root / "policy")

    def store(self) -> Store:
        """The store in force, checksums verified."""
        return open_store(self.root / "store")

    def catalogue(self) -> Catalogue:
        """The model registry of this folder."""
        from returnrisk.registry import Catalogue

        return Catalogue(self.root / "mlruns", tracking_uri=self.config.tracking_uri or None)

    # -- stages ---------------------------------------------------------------------------------------------------------------

    def ingest(self) -> IngestResult:
        """Read the whole inbox into the store; every row accounted for in `store/accounting/`, workbooks to correct in `quarantine/`."""
        from returnrisk import audit_trail
        from returnrisk.ingest.inbox import ingest_inbox
        from returnrisk.ingest.mapping import load_mappings
        from returnrisk.ingest.sql_source import fetch_sources
        from returnrisk.store.pseudonyms import read_key

        fetch_sources(self.config.sources, root=self.root, inbox=self.root / "inbox")
        result = ingest_inbox(
            self.root / "inbox",
            self.root / "store",
            key=read_key(self.root / self.config.key_file),
            delays=self.config.delay_days,
            half_delivery=self.config.half_delivery,
            mappings=(*load_mappings(), *load_mappings(self.root / "sources")),
            progress=self.progress,
        )
        quarantined = int(result.report.frame()["n_quarantined"].sum())
        audit_trail.append(self.audit_folder, "ingest", store=result.manifest.fingerprint, quarantined=quarantined)
        return result

    def snapshot(self, as_of: dt.date, *, store: Store | None = None) -> Snapshot:
        """Features of every household on a day; kept under `snapshots/` by content of store, specification and catalogue."""
        from returnrisk.snapshot_cache import cached_snapshot

        return cached_snapshot(self.root / "snapshots", store or self.store(), as_of, spec=self.spec)

    def backtest(
        self,
        names: Sequence[str] | None = None,
        *,
        as_of: dt.date | None = None,
        settings: BacktestSettings | None = None,
    ) -> list[BacktestResult]:
        """Compare models at several past days, those of one outcome with each other; default the one in use with its baseline.

        Raises
        ------
        UnknownNameError
            There is no such specification.
        NotEnoughDataError
            History too short for the origins, or too few events at one of them.
        """
        from returnrisk.backtest import backtest, days_of_backtest, grouped_by_outcome, with_all_families
        from returnrisk.backtest_outputs import write_backtest
        from returnrisk.snapshot_cache import cached_snapshot, fill

        specs = [self.specification(name) for name in names] if names else [self.spec]
        store = self.store()
        day = as_of or store.last_recorded_on()
        folder = self.root / "snapshots"

        def snapshots(on: dt.date, spec: ModelSpec) -> Snapshot:
            return cached_snapshot(folder, store, on, spec=spec)

        results = []
        for group in grouped_by_outcome(specs):
            days, whole = days_of_backtest(store, group, known_on=day, settings=settings), with_all_families(group)
            fill(folder, store, days, spec=whole, store_folder=self.root / "store", progress=self.progress)
            found = backtest(
                store, group, known_on=day, snapshots=snapshots, settings=settings, seed=self.config.seed, progress=self.progress
            )
            place = self.output_folder(day) / "backtest" / group[0].name
            results.append(write_backtest(found, place, fingerprint=store.manifest.fingerprint))
        return results

    def tune(
        self,
        name: str | None = None,
        *,
        as_of: dt.date | None = None,
        settings: TuningSettings | None = None,
        seed: int | None = None,
    ) -> TuneResult:
        """Search a specification's hyper-parameters in its training past; `models/<name>-tuned.toml` is written, nothing is trained with it.

        The days of calibration and test are not looked at. The search goes to MLflow, a run per trial.

        Raises
        ------
        ConfigError
            The learner has nothing to tune, or the tuned specification is there already.
        NotEnoughDataError
            Too few days, households or events for an inner fold.
        UsageError
            Optuna is not installed.
        """
        from returnrisk import snapshot_cache
        from returnrisk.training import plan_split
        from returnrisk.tuning import TuningSettings, days_of_tuning, tune
        from returnrisk.tuning_outputs import refuse_existing, write_tuning

        spec = self.spec if name is None else self.specification(name)
        settings = settings or TuningSettings()
        place = self.root / "models" / f"{spec.name}-tuned.toml"
        refuse_existing(place)
        store = self.store()
        day = as_of or store.last_recorded_on()
        split = plan_split(store, spec, known_on=day)
        folder = self.root / "snapshots"
        days = days_of_tuning(store, spec, split, known_on=day, settings=settings)
        snapshot_cache.fill(folder, store, days, spec=spec, store_folder=self.root / "store", progress=self.progress)
        found = tune(
            store,
            spec,
            split=split,
            known_on=day,
            snapshots=lambda on: snapshot_cache.cached_snapshot(folder, store, on, spec=spec),
            settings=settings,
            seed=self.config.seed if seed is None else seed,
            progress=self.progress,
        )
        self.progress("register", 0, 1)
        self.catalogue().log_study(
            spec.name,
            trials=found.trials,
            params={"learner": spec.learner.name, "metric": settings.metric, "n_folds": len(found.folds), "best": found.best},
            metrics={"gain": found.gain, "gain_low": found.low, "gain_high": found.high},
            tags={"known_on": day.isoformat(), "seed": str(found.seed), "data": store.manifest.fingerprint[:16]},
        )
        outputs = self.output_folder(day) / "tuning" / spec.name
        return write_tuning(found, outputs, specification=place, known_on=day, fingerprint=store.manifest.fingerprint)

    def train(self, *, as_of: dt.date | None = None) -> TrainResult:
        """Train, calibrate and test the specified model on what was known on `as_of`, seal it and register it as candidate.

        Raises
        ------
        NotEnoughDataError
            History too short, or too few events.
        """
        from returnrisk import snapshot_cache
        from returnrisk.model_card import bundle_content
        from returnrisk.registry import write_bundle
        from returnrisk.training import plan_split, train
        from returnrisk.training_outputs import csv_files, training_tables, write_training

        store = self.store()
        day = as_of or store.last_recorded_on()
        split = plan_split(store, self.spec, known_on=day)
        days = sorted({*split.refit, *split.fit, *split.calibrate, *split.test})
        folder = self.root / "snapshots"
        snapshot_cache.fill(folder, store, days, spec=self.spec, store_folder=self.root / "store", progress=self.progress)
        monthly = self._monthly(store, days)
        training = train(
            store,
            self.spec,
            split=split,
            known_on=day,
            snapshots=lambda d: self.snapshot(d, store=store),
            seed=self.config.seed,
            per_township=self.config.visits.per_township,
            progress=self.progress,
            monthly=monthly,
            alerts=self._alerts(store),
        )
        self.progress("register", 0, 1)
        content = bundle_content(
            training, data_fingerprint=store.manifest.fingerprint, reference=self._drift_reference(training, store).to_state()
        )
        bundle = write_bundle(content, folder=self.root / "models" / "exported")
        tables = training_tables(training.accuracy, self.spec)
        version = self.catalogue().log_training(
            bundle,
            metrics=logged_metrics(training.accuracy),
            params={"learner": self.spec.learner.name, **{k: str(v) for k, v in self.spec.learner.params.items()}},
            tags={"known_on": day.isoformat(), "data": store.manifest.fingerprint[:16]},
            bundle_location=bundle.path.relative_to(self.root).as_posix(),
            files=csv_files(tables),
        )
        folder = write_training(
            tables,
            self.output_folder(day) / "training" / self.spec.name,
            known_on=day.isoformat(),
            model_fingerprint=bundle.fingerprint,
        )
        self._record_training(version, known_on=day, data=store.manifest.fingerprint)
        return TrainResult(training=training, bundle=bundle, version=version, tables=tables, folder=folder)

    def _record_training(self, version: ModelVersion, *, known_on: dt.date, data: str, parent: str = "") -> None:
        from returnrisk import audit_trail

        facts = {"model": f"{version.name}/{version.version}", "fingerprint": version.fingerprint, "data": data}
        more = {"parent": parent} if parent else {}
        audit_trail.append(self.audit_folder, "recalibrate" if parent else "train", **facts, known_on=known_on.isoformat(), **more)

    def _monthly(self, store: Store, days: Sequence[dt.date]) -> Callable[[dt.date], Snapshot] | None:
        """Snapshots of month ends that weights ask for, kept like all others; None where the estimand needs no weights."""
        from returnrisk import snapshot_cache
        from returnrisk.untreated import FAMILIES, months_needed

        if self.spec.estimand == "observed":
            return None
        spec, folder = replace(self.spec, families=FAMILIES), self.root / "snapshots"
        ends = months_needed(list(days), horizon_months=spec.outcome.horizon_months)
        snapshot_cache.fill(folder, store, ends, spec=spec, store_folder=self.root / "store", progress=self.progress)
        return lambda day: snapshot_cache.cached_snapshot(folder, store, day, spec=spec)

    def _alerts(self, store: Store) -> Callable[[dt.date], pd.DataFrame | None]:
        """Alerts of a day by the county's own pack, kept like snapshots."""
        from returnrisk.snapshot_cache import cached_alerts

        return lambda day: cached_alerts(self.root / "snapshots", store, day, policy=self.policy)

    def _drift_reference(self, training: Training, store: Store) -> Reference:
        """What later months are held against: the population of a training's test days, and how far its other days had moved."""
        from returnrisk.drift import delivered_tables, make_reference

        split, score = training.split, training.scores["model"]
        names = [f.name for f in training.features]
        return make_reference(
            lambda day: self.snapshot(day, store=store),
            days=split.test,
            earlier=[*split.fit, *split.calibrate, *split.refit],
            known_on=training.known_on,
            log_odds=lambda rows: score.learner.decision_function(rows[names].to_numpy("float64")),
            curve=score.calibration.apply,
            tables=delivered_tables(store.as_of(max(split.test))),
        )

    def drift(self, *, as_of: dt.date, which: str | int = "champion") -> MonthDrift:
        """Whether a month is still like the days a model was tested on, and whether its sources came as usual (`docs/drift.md`); nothing is written.

        Outcomes are not looked at: `audit_drift` does.

        Raises
        ------
        BundleError
            The model was trained on other features than this version computes, or its reference is not readable.
        """
        from returnrisk.drift import month_drift
        from returnrisk.registry.serving import BundleScorer

        version, bundle = self.model(which)
        store = self.store()
        snapshot = self.snapshot(as_of, store=store)
        if bundle.feature_names != snapshot.names:
            raise BundleError(
                f"{version.name}/{version.version} was trained on other features than this version computes: train again"
            )
        return month_drift(
            snapshot,
            store.as_of(as_of),
            BundleScorer(bundle),
            rule=self.spec.drift,
            model_version=f"{version.name}/{version.version}",
        )

    def audit_leakage(self, spec: str | None = None, *, as_of: dt.date | None = None) -> LeakageAudit:
        """Whether what a specification would be trained on knows what it could not have known (`docs/leakage.md`); nothing is trained.

        Parameters
        ----------
        spec
            As for `specification`; default the one in use.
        as_of
            Day on which everything is looked at; default the last recording day.

        Raises
        ------
        UnknownNameError, ConfigError
            No such specification, or a wrong one.
        NotEnoughDataError
            History too short for fit, calibration and test.
        """
        from returnrisk import snapshot_cache
        from returnrisk.features.snapshot import build_snapshot
        from returnrisk.leakage import audit_leakage, days_of_audit
        from returnrisk.training import plan_split

        asked = self.spec if spec is None else self.specification(spec)
        store = self.store()
        known_on = as_of or store.last_recorded_on()
        split = plan_split(store, asked, known_on=known_on)
        folder, days = self.root / "snapshots", days_of_audit(split)
        snapshot_cache.fill(folder, store, days, spec=asked, store_folder=self.root / "store", progress=self.progress)

        def snapshots(source: Store, day: dt.date) -> Snapshot:
            if source is store:
                return snapshot_cache.cached_snapshot(folder, store, day, spec=asked)
            return build_snapshot(
                source.as_of(day), spec=asked.outcome, families=asked.families
            )  # of a store that is none: not kept

        return audit_leakage(
            store, asked, known_on=known_on, snapshots=snapshots, split=split, seed=self.config.seed, progress=self.progress
        )

    def audit_stability(self, spec: str | None = None, *, as_of: dt.date | None = None, n_resamples: int = 20) -> StabilityAudit:
        """How far a specification's list would stay on other villages and a month earlier, and why it changed (`docs/stability.md`).

        Nothing is registered; written to `outputs/<day>/stability/<specification>/`.

        Parameters
        ----------
        spec
            As for `specification`; default the one in use.
        as_of
            Month end that is listed; default the last one on file.

        Raises
        ------
        NotEnoughDataError
            History too short to train a month before, or too few events in every resample.
        ConfigError
            Not a month end, or the estimand is not "observed".
        """
        from returnrisk import snapshot_cache
        from returnrisk.stability import audit_stability, days_of_stability
        from returnrisk.stability_outputs import write_stability
        from returnrisk.timeline import add_months, month_end

        asked = self.spec if spec is None else self.specification(spec)
        store = self.store()
        last = store.last_recorded_on()
        day = as_of or (last if last == month_end(last) else month_end(add_months(last, -1)))
        if day != month_end(day):
            raise ConfigError(f"{day} is no month end: lists of month ends are compared")
        folder, days = self.root / "snapshots", days_of_stability(store, asked, as_of=day)
        snapshot_cache.fill(folder, store, days, spec=asked, store_folder=self.root / "store", progress=self.progress)
        found = audit_stability(
            store,
            asked,
            as_of=day,
            per_township=self.config.visits.per_township,
            snapshots=lambda on: snapshot_cache.cached_snapshot(folder, store, on, spec=asked),
            n_resamples=n_resamples,
            seed=self.config.seed,
            progress=self.progress,
        )
        write_stability(
            found, self.output_folder(day) / "stability" / asked.name, fingerprint=store.manifest.fingerprint, seed=self.config.seed
        )
        return found

    def audit_drift(self, *, as_of: dt.date | None = None, which: str | int = "champion") -> MonthDrift:
        """`drift`, and whether the risks of earlier days came true as far as their outcomes have matured.

        Written to `outputs/<day>/drift/`; nothing is registered.

        Parameters
        ----------
        as_of
            Day that is held against the model's test days and on which outcomes are looked at; default the last month end on file.
        which
            Alias or version number.

        Raises
        ------
        RegistryError
            No such version.
        BundleError
            As `drift`.
        """
        from returnrisk import snapshot_cache
        from returnrisk.drift import calibration_drift
        from returnrisk.drift_outputs import write_drift
        from returnrisk.recalibration import days_since_test
        from returnrisk.registry.serving import BundleScorer
        from returnrisk.reports.texts import text
        from returnrisk.timeline import add_months, month_end
        from returnrisk.training import labelled_rows, weighted_rows

        store = self.store()
        last = store.last_recorded_on()
        day = as_of or (last if last == month_end(last) else month_end(add_months(last, -1)))
        self.progress("drift", 0, 1)
        month, (_, bundle) = self.drift(as_of=day, which=which), self.model(which)
        since = days_since_test(store, self.spec, bundle, known_on=day)
        if since.days:
            folder = self.root / "snapshots"
            snapshot_cache.fill(folder, store, since.days, spec=self.spec, store_folder=self.root / "store", progress=self.progress)
            rows, _ = labelled_rows(store, self.spec, since.days, known_on=day, snapshots=lambda d: self.snapshot(d, store=store))
            rows = weighted_rows(store, self.spec, rows, known_on=day, monthly=self._monthly(store, since.days))
            risk = BundleScorer(bundle).risk(rows)
            month = month.with_calibration(calibration_drift(rows, risk, settings=self.spec.evaluation, rule=self.spec.drift))
        else:
            month = month.with_calibration(None, why=text("drift.nothing_matured", until=since.first_closes_on))
        write_drift(month, self.output_folder(day) / "drift", fingerprint=store.manifest.fingerprint)
        return month

    def promote(self, *, version: int | None = None, override: bool = False, reason: str = "", by: str | None = None) -> Promotion:
        """Make a version (default: the candidate) the champion that lists are made with, if the gates let it (`docs/gates.md`).

        The gates judge it on its held-out days, against the present champion on those that neither learnt from. Their answer, an override
        and the promotion itself go to the audit trail, and to the version in the registry.

        Parameters
        ----------
        version
            Version number.
        override
            Promote although gates refuse; `reason` and `by` are then needed, and recorded for ever.
        by
            Role or account that answers for it; default the operating system's account.

        Raises
        ------
        GateRefusedError
            A gate said no; nothing was moved.
        UsageError
            An override without reason or name, or a reason without an override; no such version (UnknownNameError).
        BundleError
            The bundle is damaged, or answers another question than the specification now asks.
        RegistryError
            Another promotion came between, or the registry cannot be reached.
        """
        from returnrisk import audit_trail
        from returnrisk.gates import failed, judge
        from returnrisk.promotion import refuse_unknown_groups

        refuse_unknown_groups(self.spec)
        if override and not (reason.strip() and by and by.strip()):
            raise UsageError("an override needs a reason and the name of who answers for it: --reason TEXT --by NAME")
        if reason and not override:
            raise UsageError("a reason is given, but no override: add --override, or leave the reason out")
        chosen = self.catalogue().resolve(self.spec.name, "candidate" if version is None else version)
        _, bundle = self.model(chosen.version)
        champion, why = self._champion_beside(chosen)
        answers = judge(self._evidence(bundle, None if champion is None else champion[1], why), self.spec.gates)
        refused = failed(answers)
        facts = {
            "model": f"{chosen.name}/{chosen.version}",
            "fingerprint": chosen.fingerprint,
            "before": "" if champion is None else f"{champion[0].name}/{champion[0].version}",
            "gates": {a.code: a.result for a in answers},
        }
        if refused and not override:
            audit_trail.append(self.audit_folder, "refused", by=by, **facts)
            said = "\n".join(f"  {a}" for a in refused)
            raise GateRefusedError(
                f"{chosen.name}/{chosen.version} is not promoted: {len(refused)} of {len(answers)} gates refuse\n{said}\n"
                f"Lists go on with {facts['before'] or 'no champion'}. To promote all the same: --override --reason TEXT --by NAME"
            )
        line = audit_trail.append(
            self.audit_folder, "override" if refused else "promote", by=by, **facts, **({"reason": reason} if refused else {})
        )
        try:
            moved = self.catalogue().promote(
                chosen.name,
                version=chosen.version,
                expected_champion=0 if champion is None else champion[0].version,
                tags={"approved_by": line.by, "approved_at": line.at, "gates": json.dumps(facts["gates"]), "override": reason},
            )
        except RegistryError:
            audit_trail.append(self.audit_folder, "not_moved", by=by, model=facts["model"], line=line.n)
            raise
        return Promotion(version=moved, gates=answers, overridden=bool(refused))

    def _champion_beside(self, chosen: ModelVersion) -> tuple[tuple[ModelVersion, Bundle | None] | None, str]:
        """The champion with its bundle, and why a version cannot be compared with it where there is none to compare with."""
        try:
            version = self.catalogue().resolve(chosen.name, "champion")
        except UnknownNameError:
            return None, "there is no champion yet"
        if version.version == chosen.version:
            return (version, None), "it is the champion"
        try:
            return (version, self.model(version.version)[1]), ""
        except BundleError:
            return (version, None), f"{version.name}/{version.version} cannot be computed, or answers another question"

    def _evidence(self, bundle: Bundle, champion: Bundle | None, no_champion: str) -> Evidence:
        """What the gates look at, measured with the store in force."""
        from returnrisk.audit_trail import read_trail
        from returnrisk.held_out import known_on
        from returnrisk.promotion import gather, leaks_found

        store, day = self.store(), known_on(bundle)
        had = {line.facts.get(key) for line in read_trail(self.audit_folder) for key in ("store", "data")}
        leaks = None
        if self.spec.gates.leakage:
            leaks = leaks_found(
                self.root / "snapshots", store, self.spec, known_on=day, audit=lambda: self.audit_leakage(as_of=day)
            )
        self.progress("gates", 0, 1)
        measured = gather(
            store,
            self.spec,
            bundle,
            champion=champion,
            no_champion=no_champion,
            snapshots=lambda d: self.snapshot(d, store=store),
            monthly=lambda days: self._monthly(store, days),
            per_township=self.config.visits.per_township,
        )
        return replace(measured, leaks=leaks, data_known=bundle.data_fingerprint in had | {store.manifest.fingerprint})

    def rollback(self, *, by: str | None = None) -> ModelVersion:
        """Make the champion before this one the champion again (`Catalogue.rollback`); recorded in the audit trail."""
        from returnrisk import audit_trail

        moved = self.catalogue().rollback(self.spec.name)
        audit_trail.append(
            self.audit_folder, "rollback", by=by, model=f"{moved.name}/{moved.version}", fingerprint=moved.fingerprint
        )
        return moved

    def recalibrate(
        self,
        name: str | None = None,
        *,
        which: str | int = "champion",
        known_on: dt.date | None = None,
        n_held_out: int = 1,
        update: Asked = "tested",
    ) -> RecalibrationResult:
        """Move the curve of a registered model to the outcomes that have closed since, the learner as it is; registered as candidate.

        Parameters
        ----------
        name
            Specification; default the one in use.
        which
            Alias or version number.
        known_on
            Day on which outcomes are looked at; default the last recording day.
        n_held_out
            The latest closed days, on which the curve is compared with what it was and not learnt from.
        update
            "tested": nothing, the level, or level and slope, as the new outcomes ask for; or one of the latter by name.

        Raises
        ------
        NotEnoughDataError
            Nothing new has closed, or too few days, households or events.
        BundleError
            The specification now asks another question than the model answers, or the features are others.
        RegistryError
            No such version.
        """
        from returnrisk import snapshot_cache
        from returnrisk.recalibration import new_days_of, recalibrate_bundle, recalibrated_content, recalibration_facts
        from returnrisk.registry import write_bundle
        from returnrisk.training_outputs import csv_files, training_tables

        if name is not None and name != self.config.model:
            other = replace(self, config=replace(self.config, model=name))
            return other.recalibrate(which=which, known_on=known_on, n_held_out=n_held_out, update=update)
        version, bundle = self.model(which)
        parent, store = f"{version.name}/{version.version}", self.store()
        day, folder = known_on or store.last_recorded_on(), self.root / "snapshots"
        new = new_days_of(store, self.spec, bundle, parent=parent, known_on=day, n_held_out=n_held_out)
        days = [*new.learn, *new.held_out]
        snapshot_cache.fill(folder, store, days, spec=self.spec, store_folder=self.root / "store", progress=self.progress)
        found = recalibrate_bundle(
            store,
            self.spec,
            bundle,
            parent=parent,
            known_on=day,
            snapshots=lambda d: self.snapshot(d, store=store),
            n_held_out=n_held_out,
            update=update,
            per_township=self.config.visits.per_township,
        )
        if not found.changed:
            return RecalibrationResult(found=found, bundle=None, version=None)
        self.progress("register", 0, 1)
        content = recalibrated_content(bundle, found, data_fingerprint=store.manifest.fingerprint, settings=self.spec.evaluation)
        moved = write_bundle(content, folder=self.root / "models" / "exported")
        registered = self.catalogue().log_training(
            moved,
            metrics=logged_metrics(found.accuracy),
            params={"learner": bundle.spec["learner"]["name"], "parent": parent, "update": found.updates["model"].update},
            tags={"known_on": day.isoformat(), "data": store.manifest.fingerprint[:16], **recalibration_facts(found)},
            bundle_location=moved.path.relative_to(self.root).as_posix(),
            files=csv_files({"before_and_after": found.comparison, **training_tables(found.accuracy, self.spec)}),
        )
        self._record_training(registered, known_on=day, data=store.manifest.fingerprint, parent=parent)
        return RecalibrationResult(found=found, bundle=moved, version=registered)

    def model(self, which: str | int = "champion") -> tuple[ModelVersion, Bundle]:
        """A registered version and its verified bundle.

        Raises
        ------
        RegistryError
            No such version, or nothing registered yet.
        BundleError
            The bundle is damaged, or answers another question than the specification now asks.
        """
        from returnrisk.registry import load_bundle

        try:
            version = self.catalogue().resolve(self.spec.name, which)
        except UnknownNameError as error:
            raise RegistryError(
                f"{error}. Train with `returnrisk train`, look at the figures, then `returnrisk models promote` makes it the champion"
            ) from error
        bundle = load_bundle(self.root / version.bundle, fingerprint=version.fingerprint)
        asked, trained = (json.loads(json.dumps(spec)) for spec in (self.spec.as_dict(), bundle.spec))
        trained.setdefault("estimand", "observed")  # models of before there were two
        if different := [part for part in ("outcome", "families", "estimand") if asked[part] != trained[part]]:
            raise BundleError(
                f"{version.name}/{version.version} was trained with another {' and '.join(different)} than {self.spec.name} now specifies: "
                f"its figures would be said of something else. Train again, or restore the specification"
            )
        return version, bundle

    def evaluate(self, *, which: str | int = "candidate", as_of: dt.date | None = None, orders: bool = True) -> Accuracy:
        """Measure a registered model again on its test days, with outcomes as known on `as_of`; `orders`: the alert rules and chance beside it."""
        from returnrisk.fairness import household_attributes
        from returnrisk.held_out import held_out_days, held_out_rows, known_on, measure_bundle

        _, bundle = self.model(which)
        store = self.store()

        def snapshots(day: dt.date) -> Snapshot:
            return self.snapshot(day, store=store)

        rows = held_out_rows(
            store,
            self.spec,
            held_out_days(bundle),
            known_on=as_of or known_on(bundle),
            snapshots=snapshots,
            monthly=lambda days: self._monthly(store, days),
        )
        return measure_bundle(
            bundle,
            rows,
            self.spec,
            snapshots=snapshots,
            per_township=self.config.visits.per_township,
            alerts=self._alerts(store) if orders else None,
            attributes=lambda day: household_attributes(store.as_of(day)),
        )

    def score(self, *, as_of: dt.date, which: str | int = "champion") -> Scores:
        """Risks and reasons of every household on a day; written to `outputs/<day>/`."""
        from returnrisk.registry.serving import BundleScorer

        if (kind := self.spec.outcome.kind) != "fall":
            raise ConfigError(f"{self.spec.name} predicts {kind}; visit lists are made with a specification of kind fall")
        version, bundle = self.model(which)
        self.progress("score", 0, 1)
        unseal(self.output_folder(as_of))  # a stage on its own is not a sealed run
        snapshot = self.snapshot(as_of)
        scores = score_snapshot(
            snapshot,
            BundleScorer(bundle),
            visits=self.config.visits,
            model_version=f"{version.name}/{version.version}",
            seed=self.config.seed,
        )
        folder = self.output_folder(as_of)
        _write_frame(scores.table, folder / "scores.parquet")
        _write_frame(scores.reasons, folder / "reasons.parquet")
        return scores

    def what_if(self, change: str, *, as_of: dt.date, which: str | int = "champion") -> WhatIf:
        """Risk before and after a change of the records (`what_if.CHANGES`), computed anew: a model's answer, not an effect.

        Written to `outputs/<day>/what-if/<change>.parquet`.

        Raises
        ------
        UnknownNameError
            No such change.
        NotEnoughDataError
            No household at risk for which it is possible.
        """
        from returnrisk.registry.serving import BundleScorer
        from returnrisk.what_if import what_if

        _, bundle = self.model(which)
        self.progress("what if", 0, 1)
        found = what_if(self.store(), self.spec, BundleScorer(bundle), as_of=as_of, change=change)
        _write_frame(found.table, self.output_folder(as_of) / "what-if" / f"{change}.parquet")
        return found

    def visits(self, scores: Scores) -> VisitResult:
        """The priority visit list of scored households: one workbook per township (with identities), one Parquet (without).

        `visit_chances.parquet` logs the chance that each household of the day had of being listed. `drift.csv` holds the month against the
        days the model was tested on; the workbooks say so where it has drifted. The audit trail gets a line.
        """
        from returnrisk import audit_trail

        made = self._visits(scores)
        audit_trail.append(
            self.audit_folder,
            "list",
            as_of=scores.as_of.isoformat(),
            model=scores.model_version,
            fingerprint=scores.fingerprint,
            data=self.store().manifest.fingerprint,
            listed=len(made.frame()),
            list=sha256_of(made.parquet),
        )
        return made

    def _visits(self, scores: Scores) -> VisitResult:
        from returnrisk.backtest_outputs import write_csv
        from returnrisk.reports.list_workbook import write_township_workbooks
        from returnrisk.visits import VisitSpec, follow_up, follow_up_counts, select

        self.progress("visits", 0, 1)
        view = self.store().as_of(scores.as_of)
        spec = VisitSpec.from_config(self.config.visits)
        villages = village_names(view, county_zh=self.config.county_zh)
        chosen = select(
            scores.table,
            scores.reasons,
            spec=spec,
            villages=villages,
            model_version=scores.model_version,
            must_visit_reasons=scores.must_visit_reasons,
            seed=self.config.seed,
        )
        register = follow_up(view, scores.table, listed=chosen.frame()["household_id"])
        folder = self.output_folder(scores.as_of)
        parquet = chosen.write_parquet(folder / "visits.parquet")
        _write_frame(chosen.chances(), folder / VISIT_CHANCES)
        _write_frame(register, folder / "follow_up.parquet")
        month = self.drift(as_of=scores.as_of, which=int(scores.model_version.rpartition("/")[2]))
        write_csv(month.frame(), folder / "drift.csv")
        outcome = self.spec.outcome
        workbooks = write_township_workbooks(
            chosen.frame(),
            identities(view),
            folder / "lists",
            horizon_months=outcome.horizon_months,
            at_end=outcome.rule == "at_end",
            tiers=spec.tiers,
            make_up=chosen.make_up().merge(follow_up_counts(register), on="area_code", how="left"),
            estimand=self.spec.estimand,
            follow_up=register.merge(villages[["village_code", "village_name"]], on="village_code", validate="many_to_one"),
            drift=month.list_line,
        )
        (folder / "lists").chmod(0o700)  # identities (no effect on Windows)
        for stale in set((folder / "lists").glob("*.xlsx")) - set(workbooks):
            stale.unlink()  # a township that left the list must not keep an old one
        return VisitResult(visit_list=chosen, follow_up=register, drift=month, workbooks=tuple(workbooks), parquet=parquet)

    def report(self, scores: Scores, visits: VisitResult, *, which: str | int = "champion") -> ReportResult:
        """The evaluator's page for one list, with the frames behind every figure beside it."""
        from returnrisk.reports.content import ReportContent
        from returnrisk.reports.html_report import render
        from returnrisk.store.coverage import coverage
        from returnrisk.visits import strata

        self.progress("report", 0, 1)
        _, bundle = self.model(which)
        accuracy = self.evaluate(which=which, orders=False)  # a monthly page: reading past days by the rules takes long
        measured, apart = accuracy.overall, accuracy.frame()
        test = bundle.card["periods"]["test"]
        content = ReportContent(
            as_of=scores.as_of,
            area=self.config.county_zh or "本县",
            model_version=scores.model_version,
            horizon_months=self.spec.outcome.horizon_months,
            at_end=self.spec.outcome.rule == "at_end",
            evaluated_from=dt.date.fromisoformat(test[0]),
            evaluated_until=dt.date.fromisoformat(test[-1]),
            capacity=measured.capacity,
            level=measured.level,
            strata=strata(scores.table),
            make_up=visits.visit_list.make_up(),
            coverage=coverage(self.store().as_of(scores.as_of)),
            metrics=measured.frame(),
            populations=apart[apart["population"] != "all"],
            differences=measured.differences("income"),
            calibration_curve=measured.calibration_curve,
            lift_curve=measured.lift_curve,
            reached=accuracy.reached,
            fairness=accuracy.fairness(self.spec.evaluation),
            drift=visits.drift.summary(),
            drift_days=visits.drift.reference_days,
            synthetic=self.config.synthetic,
            estimand=self.spec.estimand,
        )
        return ReportResult(path=render(content, self.output_folder(scores.as_of) / "report.html"), accuracy=accuracy)

    def run(self, *, as_of: dt.date) -> RunResult:
        """The monthly job: ingest, score with the champion, list, report. Safe to repeat: the same inputs give the same files.

        Raises
        ------
        RegistryError
            There is no champion yet: train, look at the figures, promote.
        """
        from returnrisk import audit_trail

        self.model()
        ingested = self.ingest()
        data = ingested.manifest.fingerprint
        scores, visits, report, change = self._list(as_of=as_of, which="champion", data=data)
        audit_trail.append(
            self.audit_folder,
            "run",
            as_of=as_of.isoformat(),
            model=scores.model_version,
            fingerprint=scores.fingerprint,
            data=data,
            rows=self.store().rows_recorded_by(as_of),
            settings=self._settings_fingerprint(),
            listed=len(visits.frame()),
            outputs=sha256_of(self.output_folder(as_of) / MANIFEST),
        )
        return RunResult(
            ingest=ingested, scores=scores, visits=visits, report=report, model_version=scores.model_version, change=change
        )

    def _list(self, *, as_of: dt.date, which: str | int, data: str) -> tuple[Scores, VisitResult, Path, ListChange | None]:
        """Score, list and report a day from the store in force, and seal the folder; `data`: the store it is said to be made from."""
        scores = self.score(as_of=as_of, which=which)
        visits = self._visits(scores)
        report = self.report(scores, visits, which=which)
        change = self.list_change(as_of=as_of, model_version=scores.model_version)
        if change is not None:
            from returnrisk.backtest_outputs import write_csv

            write_csv(change.frame(), self.output_folder(as_of) / "list_change.csv")
        seal(
            self.output_folder(as_of),
            as_of=as_of.isoformat(),
            model_version=scores.model_version,
            model_fingerprint=scores.fingerprint,
            store_fingerprint=data,
            per_township=self.config.visits.per_township,
            random_places=self.config.visits.random_places,
        )
        return scores, visits, report.path, change

    def _settings_fingerprint(self) -> str:
        """Of every setting that can change a list of the same data and model."""
        config = {k: v for k, v in asdict(self.config).items() if k not in ("sources", "key_file", "tracking_uri")}
        spec = {k: v for k, v in self.spec.as_dict().items() if k != "gates"}
        return hashlib.sha256(json.dumps([config, spec, repr(self.policy)], sort_keys=True).encode()).hexdigest()[:16]

    def verify_audit(self, *, head: str | None = None) -> Verified:
        """Read the audit trail from end to end and say what is changed, missing or moved (`audit_trail.verify_trail`)."""
        from returnrisk.audit_trail import verify_trail

        return verify_trail(self.audit_folder, head=head)

    def reproduce(self, *, as_of: dt.date) -> Reproduction:
        """Make the last run of a day again, in a folder that is thrown away, and compare every byte with what the audit trail says it wrote.

        Raises
        ------
        NotEnoughDataError
            The trail holds no run of that day.
        RegistryError, BundleError
            Its model is not there any more.
        """
        import tempfile

        from returnrisk import audit_trail
        from returnrisk.reproduction import Reproduction, compare, last_run, why_not

        facts = last_run(audit_trail.read_trail(self.audit_folder), as_of)
        store = self.store()
        reason = why_not(facts, rows_now=store.rows_recorded_by(as_of), settings_now=self._settings_fingerprint())
        if reason is None:
            with tempfile.TemporaryDirectory(prefix=".reproduce-", dir=self.root) as folder:
                again = replace(self, outputs=Path(folder))
                again._list(as_of=as_of, which=int(facts["model"].rpartition("/")[2]), data=facts["data"])  # noqa: SLF001 (itself)
                found = compare(facts, was=self.output_folder(as_of), again=again.output_folder(as_of))
        else:
            found = Reproduction(as_of=as_of, facts=facts, same=False, reason=reason)
        audit_trail.append(self.audit_folder, "reproduce", as_of=as_of.isoformat(), same=found.same)
        return found

    def visit_chances(self, *, since: dt.date, until: dt.date) -> pd.DataFrame:
        """Chance of at least one place on the lists of the days from `since` to `until`, as it was logged.

        One row per household of any of these days: household_id, rounds (lists that could have held it), chance (0 to 1). Days whose
        run was not finished do not count: nobody was sent by them.

        Raises
        ------
        NotEnoughDataError
            No finished run of these days logged chances.
        """
        import pandas as pd

        from returnrisk.run_manifest import runs_before
        from returnrisk.selective_labels import chance_over_rounds

        days = [
            day for day, made in runs_before(self.root / "outputs", until + dt.timedelta(days=1)) if VISIT_CHANCES in made["files"]
        ]
        logs = [pd.read_parquet(self.output_folder(day) / VISIT_CHANCES) for day in sorted(days) if day >= since]
        if not logs:
            raise NotEnoughDataError(f"no finished run from {since} to {until} logged chances of a visit; run those days first")
        by_round = pd.concat(logs).pivot(index="household_id", columns="as_of", values="chance")
        chance = chance_over_rounds(by_round.fillna(0).to_numpy())
        rounds = by_round.notna().sum(axis=1).to_numpy()
        return pd.DataFrame({"household_id": by_round.index.to_numpy(), "rounds": rounds, "chance": chance})

    def list_change(self, *, as_of: dt.date, model_version: str) -> ListChange | None:
        """Why the list of a day differs from that of the last run before it: data, model or places; None where there is no such run.

        A run of before this was recorded, or with a model that this version cannot compute any more, tells nothing: None as well.
        """
        from returnrisk.registry.serving import BundleScorer
        from returnrisk.run_manifest import runs_before
        from returnrisk.stability import ListState, explain_change
        from returnrisk.training import ScoredLearner

        def state(day: dt.date, version: str, places: int) -> ListState:
            scorer = BundleScorer(self.model(int(version.rpartition("/")[2]))[1])
            learnt = ScoredLearner(scorer.learners["model"], scorer.calibrations["model"])
            return ListState(self.snapshot(day), learnt, places)

        for day, made in runs_before(self.root / "outputs", as_of):
            if "per_township" not in made or made["model_version"].partition("/")[0] != self.spec.name:
                continue
            try:
                before = state(day, made["model_version"], int(made["per_township"]))
                return explain_change(before, state(as_of, model_version, self.config.visits.per_township))
            except (RegistryError, BundleError, DataError):
                return None
        return None

    # -- rules, with or without a model ---------------------------------------------------------------------------------------

    def account(self, household: str | int, *, as_of: dt.date, account: Account = "register_net") -> HouseholdAccount:
        """One household's account in the pack's window, item by item.

        Parameters
        ----------
        household
            Its number as on file, its code on a list, or its pseudonym.
        account
            `register_net` (of the monitoring line) or `assistance_countable` (of the 低保 lines).

        Raises
        ------
        NotEnoughDataError
            Nobody of that number is on file on the day.
        PolicyError
            A parameter has no value on the day.
        """
        from returnrisk.accounts import household_account
        from returnrisk.screening import screening_windows

        view = self.store().as_of(as_of)
        windows = screening_windows(view, policy=self.policy)
        return household_account(
            view,
            self._pseudonym(view, household),
            account=account,
            ending_on=windows.income_end,
            window=windows.income,
            min_months=windows.min_months,
            policy=self.policy,
        )

    def screen(
        self, *, as_of: dt.date, policy: Policy | None = None, export: str | None = None, numbers: Path | None = None
    ) -> ScreenResult:
        """Screen the county by the rules of its pack, and write workbooks, page and tables to `outputs/<day>/screening/`.

        Needs no model. Safe to repeat: the same store, pack and ledger of alerts give the same files. Nothing is written before
        everything is computed; the ledger (`alerts/ledger.csv`) takes in what was raised when all files stand. A day before that of the
        ledger's latest alert is looked back at: the ledger stays as it is.

        Parameters
        ----------
        policy
            Another pack than the project's is a trial: it goes to `screening-<pack>/`, and the ledger stays as it is.
        export
            Name of a mapping: also write the files of the county's existing system.
        numbers
            A csv with the office's own household numbers, where the mapping asks for them: the store keeps none.

        Raises
        ------
        PolicyError
            The pack cannot be used, has no value on the day, or is another area's.
        NotEnoughDataError
            Nobody is on file on the day.
        """
        from returnrisk.screening import roll_up, screen
        from returnrisk.screening_outputs import alert_ledger, write_screening

        rules = policy or self.policy
        request = None if export is None else self._export_request(export, numbers)
        view = self.store().as_of(as_of)
        with alert_ledger(self.root / "alerts") as ledger:
            self.progress("screen", 0, 1)
            found = screen(view, policy=rules, known=ledger.known)
            places = village_names(view, county_zh=self.config.county_zh)
            rollup = roll_up(found, villages=places, policy=rules)
            self.progress("workbooks", 0, 1)
            folder = self.output_folder(as_of) / f"screening{self._trial(rules)}"
            result = write_screening(
                found,
                rollup,
                folder,
                view=view,
                policy=rules,
                villages=places,
                export=request,
                synthetic=self.config.synthetic,
            )
            kept = not self._trial(rules) and ledger.take_in(found.alerts, day=as_of)
        return replace(result, in_ledger=kept)

    def _trial(self, policy: Policy) -> str:
        """What the folder of a trial with another pack than the project's is called beyond its usual name; empty for the project's own."""
        return "" if policy.name == self.policy.name else f"-{policy.name}"

    def screen_since(self, *, as_of: dt.date, since: dt.date, policy: Policy | None = None) -> AlertResult:
        """Alerts on what was recorded since a day, on any day of the month: emergencies do not wait for the monthly screening.

        One workbook a township goes to `outputs/<day>/alerts-since-<since>/`; the ledger takes the alerts in, so that the monthly
        screening does not raise them again. Another pack and an earlier day leave it as it is, as in `screen`.

        Raises
        ------
        UsageError
            `since` lies after the day.
        PolicyError, NotEnoughDataError
            As `screen`.
        """
        from returnrisk.screening import screen_since
        from returnrisk.screening_outputs import alert_ledger, write_alerts_since

        rules = policy or self.policy
        view = self.store().as_of(as_of)
        with alert_ledger(self.root / "alerts") as ledger:
            self.progress("screen", 0, 1)
            found = screen_since(view, policy=rules, since=since, known=ledger.known)
            places = village_names(view, county_zh=self.config.county_zh)
            folder = self.output_folder(as_of) / f"alerts-since-{since.isoformat()}{self._trial(rules)}"
            result = write_alerts_since(found, folder, view=view, villages=places)
            kept = not self._trial(rules) and ledger.take_in(found.alerts, day=as_of)
        return replace(result, in_ledger=kept)

    def _export_request(self, name: str, numbers: Path | None) -> ExportRequest:
        from returnrisk.office_export import household_numbers, load_export_mapping, read_household_numbers
        from returnrisk.screening_outputs import ExportRequest
        from returnrisk.store.pseudonyms import read_key

        mapping = load_export_mapping(name, self.root / "export")
        if numbers is None:
            return ExportRequest(mapping)
        key = read_key(self.root / self.config.key_file)
        return ExportRequest(mapping, household_numbers(read_household_numbers(numbers), key=key))

    def fields_on_file(self, *, as_of: dt.date, export: str) -> pd.DataFrame:
        """What need not be entered again (不重复填表): columns of an export's layout and fields of a form, and for how many households each is on file.

        Raises
        ------
        UnknownNameError
            There is no such layout.
        NotEnoughDataError
            Nobody is on file on the day.
        """
        from returnrisk.office_export import load_export_mapping, no_reentry

        mapping = load_export_mapping(export, self.root / "export")
        view = self.store().as_of(as_of)
        return no_reentry(view, mapping=mapping, identities=identities(view))

    def _pseudonym(self, view: View, household: str | int) -> int:
        """The pseudonym of a number on file, of a code on a list, or as given."""
        from returnrisk.store.pseudonyms import pseudonymise, read_key, read_pseudonym_text

        if isinstance(household, int):
            return household
        number = pseudonymise([household], kind="household", key=read_key(self.root / self.config.key_file))[household]
        homes = view.table("household")
        if homes.filter(homes.household_id == number).count().to_pyarrow().as_py():
            return number
        with contextlib.suppress(ValueError):
            return read_pseudonym_text(household)
        raise NotEnoughDataError(
            f"no household of that number is on file on {view.day}: give it as on file, or its code on a list (XXXX-XXXX-XXXXX)"
        )

    # -- files ----------------------------------------------------------------------------------------------------------------

    def output_folder(self, as_of: dt.date) -> Path:
        """`outputs/<day>/`."""
        return (self.outputs or self.root / "outputs") / as_of.isoformat()

    @property
    def audit_folder(self) -> Path:
        """`audit/`: the trail of what was done, by whom and with which data (`audit_trail`)."""
        return self.root / "audit"


def _write_frame(frame: pd.DataFrame, path: Path) -> Path:
    import pyarrow as pa

    from returnrisk.visits.saving import write_table

    return write_table(pa.Table.from_pandas(frame, preserve_index=False), path)


def logged_metrics(accuracy: Accuracy) -> dict[str, float]:
    """Figures of everyone at risk by "score.metric", those that there are."""
    records = accuracy.overall.frame().dropna(subset="value").to_dict("records")
    return {f"{r['score']}.{r['metric']}": float(r["value"]) for r in records}
