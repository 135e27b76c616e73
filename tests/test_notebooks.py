"""Every notebook runs from its first cell to its last."""

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(notebook, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    content = nbformat.read(notebook, as_version=4)
    for module in content.metadata["equishare"]["needs"]:
        pytest.importorskip(module)
    nbclient.NotebookClient(content, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_stored_with_its_outputs(notebook):
    nbformat = pytest.importorskip("nbformat")
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_pictures_need_no_colour(notebook):
    """They are drawn in black, grey and white, so that a printer and every eye can tell their parts apart."""
    image, nbformat = pytest.importorskip("PIL.Image"), pytest.importorskip("nbformat")
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    pictures = [o.data["image/png"] for cell in code for o in cell.outputs if "image/png" in o.get("data", {})]
    assert pictures
    for text in pictures:
        with image.open(BytesIO(b64decode(text))) as picture:
            pixels = np.asarray(picture.convert("RGB"), dtype=int)
        assert (pixels.max(-1) - pixels.min(-1)).max() < 8


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_for_readers(notebook):
    """No warnings, no folders of the machine on which it ran."""
    nbformat = pytest.importorskip("nbformat")
    code = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    streams = [output for cell in code for output in cell.outputs if output.output_type == "stream"]
    assert all(stream.name == "stdout" for stream in streams)
    assert not any(re.search(r"/(home|root|tmp|work|Users)/", stream.text) for stream in streams)
