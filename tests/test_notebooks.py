"""The notebooks run from top to bottom, are committed without outputs, and are the same as their text twins."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


SHOWN = {
    "01-first-list": "走访名单_",
    "02-data-and-truth": "on_file_at_day",
    "03-screening": "two_shocks",
    "04-model-lab": "list_changed",
}
"""What must be seen in each notebook's outputs."""


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == list(SHOWN)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_committed_without_outputs_and_equals_its_text(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert cells(notebook) == cells(jupytext.read(path.with_suffix(".py")))
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?:^|[^\w.-])/(?:home|root|tmp|work|Users)/", text)
    prose = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert re.search(r"[\u4e00-\u9fff]", prose)
    assert re.search(r"[a-z]{4}", prose)


SLOW = ("01-first-list", "02-data-and-truth", "04-model-lab")
"""They train models, or live futures again, on about the smallest county that tells anything."""


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem, marks=[pytest.mark.slow] * (p.stem in SLOW)) for p in NOTEBOOKS])
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    """In a folder of its own; every code cell finishes, nothing goes to stderr, nothing is left behind, no path is shown."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    (tmp_path / "temporary").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path / "here")}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    shown = "\n".join(str(output.get("data", {}).get("text/plain", output.get("text", ""))) for output in outputs)
    assert SHOWN[path.stem] in shown
    assert "Empty DataFrame" not in shown
    assert str(tmp_path) not in shown
    assert not list((tmp_path / "here").iterdir())
    assert not list((tmp_path / "temporary").glob("*/county"))
