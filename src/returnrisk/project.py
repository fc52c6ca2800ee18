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
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from returnrisk.config import ModelSpec, ProjectConfig, load_model_spec, load_project_config
from returnrisk.errors import BundleError, ConfigError, NotEnoughDataError, RegistryError, UnknownNameError
from returnrisk.features.snapshot import Snapshot
from returnrisk.policy import Policy, load_policy
from returnrisk.project_texts import CONFIG_TEMPLATE
from returnrisk.run_manifest import seal, unseal
from returnrisk.scoring import Scores, score_snapshot
from returnrisk.stage_results import (
    AlertResult,
    BacktestResult,
    ReportResult,
    RunResult,
    ScreenResult,
    TrainResult,
    TuneResult,
    VisitResult,
)
from returnrisk.store.files import write_atomically
from returnrisk.store.names import identities, village_names
from returnrisk.store.view import Store, View, open_store

if TYPE_CHECKING:
    import pandas as pd

    from returnrisk.accounts import Account, HouseholdAccount
    from returnrisk.accuracy import Accuracy
    from returnrisk.backtest import BacktestSettings
    from returnrisk.ingest.inbox import IngestResult
    from returnrisk.leakage import LeakageAudit
    from returnrisk.registry.bundle import Bundle
    from returnrisk.registry.catalogue import Catalogue, ModelVersion
    from returnrisk.screening_outputs import ExportRequest
    from returnrisk.tuning import TuningSettings

Progress = Callable[[str, int, int], None]
CONFIG_FILE = "returnrisk.toml"


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

        return Catalogue(self.root / "mlruns")

    # -- stages ---------------------------------------------------------------------------------------------------------------

    def ingest(self) -> IngestResult:
        """Read the whole inbox into the store; every row accounted for in `store/accounting/`, workbooks to correct in `quarantine/`."""
        from returnrisk.ingest.inbox import ingest_inbox
        from returnrisk.ingest.mapping import load_mappings
        from returnrisk.ingest.sql_source import fetch_sources
        from returnrisk.store.pseudonyms import read_key

        fetch_sources(self.config.sources, root=self.root, inbox=self.root / "inbox")
        return ingest_inbox(
            self.root / "inbox",
            self.root / "store",
            key=read_key(self.root / self.config.key_file),
            delays=self.config.delay_days,
            half_delivery=self.config.half_delivery,
            mappings=(*load_mappings(), *load_mappings(self.root / "sources")),
            progress=self.progress,
        )

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
        )
        self.progress("register", 0, 1)
        bundle = write_bundle(
            bundle_content(training, data_fingerprint=store.manifest.fingerprint), folder=self.root / "models" / "exported"
        )
        metrics = {
            f"{r['score']}.{r['metric']}": float(r["value"])
            for r in training.frame().to_dict("records")
            if r["value"] == r["value"]
        }
        version = self.catalogue().log_training(
            bundle,
            metrics=metrics,
            params={"learner": self.spec.learner.name, **{k: str(v) for k, v in self.spec.learner.params.items()}},
            tags={"known_on": day.isoformat(), "data": store.manifest.fingerprint[:16]},
            bundle_location=bundle.path.relative_to(self.root).as_posix(),
        )
        return TrainResult(training=training, bundle=bundle, version=version)

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

    def promote(self, *, version: int | None = None) -> ModelVersion:
        """Make a version (default: the candidate) the champion that lists are made with."""
        return self.catalogue().promote(self.spec.name, version=version)

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

    def evaluate(self, *, which: str | int = "candidate", as_of: dt.date | None = None) -> Accuracy:
        """Measure a registered model again on its test days, with outcomes as known on `as_of`."""
        from returnrisk.accuracy import measure_accuracy, predict
        from returnrisk.registry.serving import BundleScorer
        from returnrisk.training import labelled_rows, weighted_rows

        _, bundle = self.model(which)
        store = self.store()

        def snapshots(day: dt.date) -> Snapshot:
            return self.snapshot(day, store=store)

        days = [dt.date.fromisoformat(d) for d in bundle.card["periods"]["test"]]
        known_on = as_of or dt.date.fromisoformat(bundle.card["known_on"])
        rows, _ = labelled_rows(store, self.spec, days, known_on=known_on, snapshots=snapshots)
        rows = weighted_rows(store, self.spec, rows, known_on=known_on, monthly=self._monthly(store, days))
        scorer = BundleScorer(bundle)
        predictions = predict(
            rows,
            risk=lambda frame, name: scorer.risk(frame, learner=name),
            snapshots=snapshots,
            per_township=self.config.visits.per_township if self.spec.outcome.kind == "fall" else None,
        )
        return measure_accuracy(predictions, self.spec.evaluation, apart=self.spec.outcome.kind == "fall")

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
            snapshot, BundleScorer(bundle), visits=self.config.visits, model_version=f"{version.name}/{version.version}"
        )
        folder = self.output_folder(as_of)
        _write_frame(scores.table, folder / "scores.parquet")
        _write_frame(scores.reasons, folder / "reasons.parquet")
        return scores

    def visits(self, scores: Scores) -> VisitResult:
        """The priority visit list of scored households: one workbook per township (with identities), one Parquet (without)."""
        from returnrisk.reports.list_workbook import write_township_workbooks
        from returnrisk.visits import VisitSpec, select

        self.progress("visits", 0, 1)
        view = self.store().as_of(scores.as_of)
        spec = VisitSpec.from_config(self.config.visits)
        chosen = select(
            scores.table,
            scores.reasons,
            spec=spec,
            villages=village_names(view, county_zh=self.config.county_zh),
            model_version=scores.model_version,
            must_visit_reasons=scores.must_visit_reasons,
        )
        folder = self.output_folder(scores.as_of)
        parquet = chosen.write_parquet(folder / "visits.parquet")
        outcome = self.spec.outcome
        workbooks = write_township_workbooks(
            chosen.frame(),
            identities(view),
            folder / "lists",
            horizon_months=outcome.horizon_months,
            at_end=outcome.rule == "at_end",
            tiers=spec.tiers,
            make_up=chosen.make_up(),
            estimand=self.spec.estimand,
        )
        (folder / "lists").chmod(0o700)  # identities (no effect on Windows)
        for stale in set((folder / "lists").glob("*.xlsx")) - set(workbooks):
            stale.unlink()  # a township that left the list must not keep an old one
        return VisitResult(visit_list=chosen, workbooks=tuple(workbooks), parquet=parquet)

    def report(self, scores: Scores, visits: VisitResult, *, which: str | int = "champion") -> ReportResult:
        """The evaluator's page for one list, with the frames behind every figure beside it."""
        from returnrisk.reports.content import ReportContent
        from returnrisk.reports.html_report import render
        from returnrisk.store.coverage import coverage
        from returnrisk.visits import strata

        self.progress("report", 0, 1)
        _, bundle = self.model(which)
        accuracy = self.evaluate(which=which)
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
        self.model()
        ingested = self.ingest()
        scores = self.score(as_of=as_of)
        visits = self.visits(scores)
        report = self.report(scores, visits)
        seal(
            self.output_folder(as_of),
            as_of=as_of.isoformat(),
            model_version=scores.model_version,
            model_fingerprint=scores.fingerprint,
            store_fingerprint=ingested.manifest.fingerprint,
        )
        return RunResult(ingest=ingested, scores=scores, visits=visits, report=report.path, model_version=scores.model_version)

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
        return self.root / "outputs" / as_of.isoformat()


def _write_frame(frame: pd.DataFrame, path: Path) -> Path:
    import pyarrow as pa

    from returnrisk.visits.saving import write_table

    return write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
