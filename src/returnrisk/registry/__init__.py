"""Models as bundles of our own, and the catalogue of them that MLflow keeps."""

from __future__ import annotations

from returnrisk.registry.bundle import Bundle, BundleContent, load_bundle, write_bundle
from returnrisk.registry.catalogue import Catalogue, ModelVersion

__all__ = ["Bundle", "BundleContent", "Catalogue", "ModelVersion", "load_bundle", "write_bundle"]
