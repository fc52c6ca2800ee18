"""What a blank source costs: python benchmarks/missing_sources.py PROJECT [seed]; an ingested project, its snapshots made if need be."""

from __future__ import annotations

import sys
from pathlib import Path

from returnrisk.missing_sources import missing_source_table, train_for_missing
from returnrisk.project import open_project
from returnrisk.training import labelled_rows, plan_split, train


def main(folder: str, seed: int = 0) -> None:
    """Print one line per source and model."""
    project = open_project(Path(folder))
    store, spec, per_township = project.store(), project.spec, project.config.visits.per_township
    known_on = store.last_recorded_on()
    split = plan_split(store, spec, known_on=known_on)

    def snapshots(day):  # noqa: ANN001, ANN202
        return project.snapshot(day, store=store)

    training = train(store, spec, split=split, known_on=known_on, snapshots=snapshots, seed=seed, per_township=per_township)
    then = split.test[0]
    days = {"fit": split.fit, "calibrate": split.calibrate, "refit": split.refit if spec.calibration.refit else split.fit}
    parts = {name: labelled_rows(store, spec, of, known_on=then, snapshots=snapshots)[0] for name, of in days.items()}
    rows, _ = labelled_rows(store, spec, split.test, known_on=known_on, snapshots=snapshots)
    models = {
        "as trained": training.scores["model"],
        "trained for it": train_for_missing(spec, training.features, parts, seed=seed),
    }
    print(f"{len(rows)} household-days, {int(rows['y'].sum())} falls, test days {', '.join(map(str, split.test))}, seed {seed}")
    table = missing_source_table(models, rows, training.features, per_township=per_township, n_bootstrap=200)
    for (source, n), part in table.groupby(["source", "n_features"], sort=False):
        cells = [source, str(n)]
        for model in models:
            of = part[part["model"] == model].set_index("metric")
            auc, slope, level, lost = (of.loc[m] for m in ("auc", "calibration_slope", "calibration_intercept", "list_changed"))
            cells += [
                f"{auc['value']:.3f} ({auc['low']:.3f}-{auc['high']:.3f})",
                f"{auc['change']:+.3f} ({auc['change_low']:+.3f} to {auc['change_high']:+.3f})",
                f"{slope['value']:.2f} ({slope['low']:.2f}-{slope['high']:.2f})",
                f"{level['value']:+.2f} ({level['low']:+.2f} to {level['high']:+.2f})",
                f"{lost['value']:.1%} ({lost['low']:.1%}-{lost['high']:.1%})",
            ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:3]))
