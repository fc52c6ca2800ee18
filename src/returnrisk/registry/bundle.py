"""A model as a folder of text files that can be checked before anything is parsed, and moved wherever one likes.

    fall-12m-3f2a9c01b7de/
        booster.txt         the LightGBM model, as text; no file where the model is another learner
        learners.json       states of all learners, by name; that of a LightGBM `model` without its text
        calibration.json    calibration state of each learner
        features.json       the feature contract: catalogue fingerprint and the ordered features
        spec.json           the model specification it was trained by
        reference.json      shares of households that later months are held against; no file in models of before there was one
        card.json, card.md  what it is for, what it was fitted on, how well it did
        environment.json    library versions
        manifest.json       written last: schema number, sha256 and size of every other file

A bundle is addressed by its content: no clock, no path and no run id is in it, so the same content has the same fingerprint
everywhere. This is the truth about a model; MLflow is only its catalogue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from returnrisk.errors import BundleError
from returnrisk.models import LEARNERS
from returnrisk.registry.booster_text import booster_problems
from returnrisk.registry.card import card_problems, render_card
from returnrisk.registry.sealed_folder import json_bytes, manifest_for, read_manifest, read_sealed, write_sealed

SCHEMA = 1
BOOSTER = "booster.txt"
REFERENCE = "reference.json"
BUNDLE_FILES = frozenset(
    {"calibration.json", "card.json", "card.md", "environment.json", "features.json", "learners.json", "spec.json"}
)
"""Of every bundle; `BOOSTER` beside them where the model is LightGBM, `REFERENCE` where months can be held against its test days."""
MODEL = "model"  # the learner that scores; a LightGBM text is a file of its own
BOOSTED = "lightgbm"
_TEXT_ELSEWHERE = {"file": BOOSTER}
_FEATURE_KEYS = ("name", "family", "unit", "dtype", "monotone")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")  # a folder on Windows (short: paths end at 260) and a registered model


def library_versions() -> dict[str, str]:
    """Versions of the libraries that can change what a bundle computes, `not installed` for an absent one.

    Examples
    --------
    >>> sorted(library_versions())
    ['lightgbm', 'numpy', 'returnrisk', 'scikit-learn']
    """
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for library in ("lightgbm", "numpy", "returnrisk", "scikit-learn"):
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "not installed"
    return versions


@dataclass(frozen=True, slots=True)
class BundleContent:
    """What a bundle holds, as plain values.

    Parameters
    ----------
    learners
        JSON state of each learner, by name, as `to_state` gave it: `model`, and those it is compared with.
    calibration
        JSON calibration state of each of them, by the same names.
    catalogue
        Fingerprint of the feature catalogue the features were computed by.
    features
        The contract: one dictionary per feature with `name`, `family`, `unit`, `dtype`, `monotone`, in the booster's order.
    spec
        The model specification; `name` names the bundle.
    card
        See `returnrisk.registry.card`; `data_fingerprint` says from which data the model was made.
    environment
        Library versions; by default those installed.
    reference
        What months are held against (`returnrisk.drift`), aggregated shares only; None where the model was made without.
    """

    learners: dict[str, dict[str, Any]]
    calibration: dict[str, dict[str, Any]]
    catalogue: str
    features: list[dict[str, Any]]
    spec: dict[str, Any]
    card: dict[str, Any]
    environment: dict[str, str] = field(default_factory=library_versions)
    reference: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle: where it lies, its fingerprint, and what it holds."""

    path: Path
    name: str
    fingerprint: str
    content: BundleContent

    @property
    def booster_text(self) -> str:
        """The LightGBM model as text, proven whole; empty where the model is another learner."""
        return _booster_text(self.content.learners)

    @property
    def learners(self) -> dict[str, dict[str, Any]]:
        """JSON states of the learners, by name; `returnrisk.models.restore_learner` takes each as it is."""
        return self.content.learners

    @property
    def calibration(self) -> dict[str, dict[str, Any]]:
        """JSON calibration states, by learner name."""
        return self.content.calibration

    @property
    def features(self) -> list[dict[str, Any]]:
        """The feature contract, in the booster's order."""
        return self.content.features

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in the booster's order."""
        return [feature["name"] for feature in self.content.features]

    @property
    def spec(self) -> dict[str, Any]:
        """The model specification."""
        return self.content.spec

    @property
    def card(self) -> dict[str, Any]:
        """The card's facts."""
        return self.content.card

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the data the model was made from."""
        return str(self.content.card["data_fingerprint"])


def write_bundle(content: BundleContent, *, folder: Path) -> Bundle:
    """Write `content` as `<folder>/<spec name>-<fingerprint[:12]>`, whole or not at all; an equal bundle there is verified and reused.

    Raises
    ------
    BundleError
        The content is incomplete or inconsistent (every problem listed), the folder cannot be written, or a damaged bundle
        already stands at that place.
    """
    if problems := _content_problems(content):
        raise BundleError("the bundle is not written:\n  " + "\n  ".join(problems))
    files = _to_files(content)
    name = content.spec["name"]
    facts = {"schema": SCHEMA, "kind": "returnrisk-bundle", "name": name, "created_from": content.card["data_fingerprint"]}
    manifest = manifest_for(files, facts=facts)
    path = folder / f"{name}-{manifest['fingerprint'][:12]}"
    write_sealed(files, manifest=manifest, path=path)
    return load_bundle(path, fingerprint=manifest["fingerprint"])


def load_bundle(path: Path, *, fingerprint: str | None = None) -> Bundle:
    """Read the bundle in the folder `path`, wherever it was moved to, after verifying all of it.

    Nothing is handed to a learner here. Checked first: manifest, schema number, files present and no others, sizes, sha256, the
    fingerprint; then whether the booster's text is whole and the parts agree.

    Parameters
    ----------
    path
        The bundle's folder, under any name.
    fingerprint
        The one expected (the catalogue's), if known.

    Raises
    ------
    BundleError
        Anything is wrong; every failure is listed.

    Examples
    --------
    >>> load_bundle(Path("no-such-folder"))
    Traceback (most recent call last):
        ...
    returnrisk.errors.BundleError: there is no bundle at no-such-folder: give the folder that holds manifest.json
    """
    manifest = read_manifest(path)
    _check_schema(manifest, path=path)
    listed = manifest.get("files")
    some = {name for name in (BOOSTER, REFERENCE) if isinstance(listed, dict) and name in listed}
    files = read_sealed(path, manifest=manifest, expected=BUNDLE_FILES | some)
    if fingerprint is not None and manifest["fingerprint"] != fingerprint:
        raise BundleError(
            f"bundle {path.name} has fingerprint {manifest['fingerprint'][:12]}, expected {fingerprint[:12]}: it is whole, but another model"
        )
    content = _from_files(files, path=path)
    problems = _content_problems(content)
    if not problems:
        stated = (manifest.get("name"), manifest.get("created_from"))
        if stated != (content.spec["name"], content.card["data_fingerprint"]):
            problems.append("manifest.json: name or created_from is not that of spec.json and card.json")
        if files["card.md"].decode() != render_card(content.card):
            problems.append("card.md does not say what card.json says")
    if problems:
        raise BundleError(f"bundle {path.name} is inconsistent; nothing of it was used:\n  " + "\n  ".join(problems))
    return Bundle(path=path, name=content.spec["name"], fingerprint=manifest["fingerprint"], content=content)


def _check_schema(manifest: Mapping[str, Any], *, path: Path) -> None:
    schema = manifest.get("schema")
    if manifest.get("kind") != "returnrisk-bundle" or type(schema) is not int:
        raise BundleError(f"{path.name} is no model bundle: its manifest has kind '{manifest.get('kind')}' and schema '{schema}'")
    if schema > SCHEMA:
        raise BundleError(f"bundle {path.name} has schema {schema}; this version of returnrisk reads {SCHEMA}: update returnrisk")
    if schema < SCHEMA:
        raise BundleError(
            f"bundle {path.name} has schema {schema}, older than {SCHEMA}, the oldest this version reads: train the model again"
        )


def _booster_text(learners: Mapping[str, Any]) -> str:
    """The text inside the state of `model`; empty when there is none."""
    fitted = learners.get(MODEL, {}).get("fitted", {})
    text = fitted.get("text") if isinstance(fitted, dict) else None
    return text if isinstance(text, str) else ""


def _is_boosted(learners: Mapping[str, Any]) -> bool:
    """Whether the model's state is that of LightGBM, with a place for its text."""
    state = learners.get(MODEL)
    return isinstance(state, dict) and state.get("kind") == BOOSTED and isinstance(state.get("fitted"), dict)


def _with_text(learners: Mapping[str, Any], text: object) -> dict[str, Any]:
    """`learners` with `text` in the place of the booster's text."""
    state = learners[MODEL]
    return {**learners, MODEL: {**state, "fitted": {**state["fitted"], "text": text}}}


def _to_files(content: BundleContent) -> dict[str, bytes]:
    boosted = _is_boosted(content.learners)
    parts = {
        "learners.json": _with_text(content.learners, _TEXT_ELSEWHERE) if boosted else content.learners,
        "calibration.json": content.calibration,
        "features.json": {"catalogue": content.catalogue, "features": content.features},
        "spec.json": content.spec,
        "card.json": content.card,
        "environment.json": content.environment,
    }
    files = {name: json_bytes(value, what=name) for name, value in parts.items()}
    # rendered from what card.json will give back, so that both say the same after a round trip
    files["card.md"] = render_card(json.loads(files["card.json"])).encode()
    if boosted:
        files[BOOSTER] = _booster_text(content.learners).encode()
    if content.reference is not None:
        files[REFERENCE] = json_bytes(content.reference, what=REFERENCE)
    return files


def _from_files(files: Mapping[str, bytes], *, path: Path) -> BundleContent:
    try:
        parts = {name: json.loads(data) for name, data in files.items() if name.endswith(".json")}
        contract, learners = parts["features.json"], parts["learners.json"]
        return BundleContent(
            learners=_with_text(learners, files[BOOSTER].decode()) if BOOSTER in files else learners,
            calibration=parts["calibration.json"],
            catalogue=contract["catalogue"],
            features=contract["features"],
            spec=parts["spec.json"],
            card=parts["card.json"],
            environment=parts["environment.json"],
            reference=parts.get(REFERENCE),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"bundle {path.name} is sealed but not readable ({type(error).__name__}: {error}): train again"
        ) from error


def _content_problems(content: BundleContent) -> list[str]:
    """Everything that is missing in, or contradicts itself between, the parts."""
    if odd := _wrongly_typed(content):
        return odd
    problems = []
    name = content.spec.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(f"spec: name is '{name}'; expected small letters, digits, '.', '_' or '-', at most 48")
    problems += _feature_problems(content.features)
    problems += card_problems(content.card)
    if content.card.get("name") != name:
        problems.append(f"card: name is '{content.card.get('name')}', the specification's is '{name}'")
    if set(content.calibration) != set(content.learners):
        stated = (", ".join(sorted(part)) or "none" for part in (content.calibration, content.learners))
        problems.append("calibration: states for {}; the learners are {}".format(*stated))
    return problems + _learner_problems(content)


def _wrongly_typed(content: BundleContent) -> list[str]:
    """Parts that are no dictionaries of dictionaries where the others rely on it."""
    dicts = {"spec": content.spec, "card": content.card, "learners": content.learners, "calibration": content.calibration}
    odd = [
        f"{part} is a {type(value).__name__}; expected a dictionary" for part, value in dicts.items() if not isinstance(value, dict)
    ]
    for part in (content.learners, content.calibration):
        values = part.items() if isinstance(part, dict) else ()
        odd += [
            f"the state of {key} is a {type(value).__name__}; expected a dictionary"
            for key, value in values
            if not isinstance(value, dict)
        ]
    if not isinstance(content.features, list) or not all(isinstance(feature, dict) for feature in content.features):
        odd.append("features: expected a list of dictionaries")
    return odd


def _learner_problems(content: BundleContent) -> list[str]:
    names = [feature.get("name") for feature in content.features]
    kind = content.learners.get(MODEL, {}).get("kind")
    if kind not in LEARNERS:
        return [f"learners: '{MODEL}' is missing or is of kind '{kind}'; known: {', '.join(LEARNERS)}"]
    problems = []
    for learner, state in sorted(content.learners.items()):
        unknown = [name for name in state.get("feature_names", ()) if name not in names]
        if unknown:
            problems.append(
                f"learners: {learner} was fitted on features that the contract lacks: {', '.join(map(str, unknown[:5]))}"
            )
    if content.learners[MODEL].get("feature_names") != names:
        problems.append(f"learners: {MODEL} was fitted on other features, or in another order, than the contract says")
    if kind != BOOSTED:
        return [*problems, *([f"{BOOSTER}: stands beside a model of kind {kind}"] if _booster_text(content.learners) else [])]
    text = _booster_text(content.learners).encode()
    return problems + [f"{BOOSTER}: {problem}" for problem in booster_problems(text, n_features=len(names))]


def _feature_problems(features: list[dict[str, Any]]) -> list[str]:
    problems = [
        f"features: feature {position} lacks {', '.join(absent)}"
        for position, feature in enumerate(features)
        if (absent := [key for key in _FEATURE_KEYS if key not in feature])
    ]
    names = [str(feature.get("name")) for feature in features]
    problems += [f"features: '{name}' stands {names.count(name)} times" for name in sorted(set(names)) if names.count(name) > 1]
    return problems if features else ["features: the contract names none"]
