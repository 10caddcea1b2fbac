"""The module that a notebook writes for its script: as much of the cells as it needs, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

CELLS = [
    "import math\nimport torch\nfrom torch import nn\nfrom helpers import attach\nfrom helpers.notebook import export",
    "import decimal  # used by no cell that is exported\nPERIOD = 100.0\nx = 'a global that is a local name elsewhere'",
    "def wave(x):\n    return math.sin(x / PERIOD)",
    "def outer(x):\n    return 'an old one'",
    "def outer(x):\n    return 2 * wave(x)",
    "class Net(nn.Module):\n    def forward(self, x):\n        return x + outer(1.0)",
    "@attach(Net)\ndef half(self, x):\n    return 'an old one'",
    "@attach(Net)\n@torch.no_grad()\ndef half(self, x):\n    '''Half of x.'''\n    return x / 2",
    "export('mine', Net, outer)",
    "import mine\nassert mine.outer(50.0) == 2 * math.sin(0.5)",
    "def outer(x):\n    return 3 * wave(x)",
    "export('mine', Net, outer)\nimport mine\nassert mine.outer(50.0) == 3 * math.sin(0.5)",
    "try:\n    export('other', Net, type('Unknown', (), {}))\nexcept ValueError as error:\n    print(error)",
    "%%writefile script.py\nimport sys\nfrom mine import Net, outer\nprint(Net().half(3.0), round(outer(50.0), 6), sorted(set(sys.modules) & {'decimal'}))",
]


@pytest.mark.slow
def test_a_script_can_import_what_the_cells_of_a_notebook_define(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("NBGRADER_EXECUTION", None)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    assert "no cell that you ran defines Unknown" in notebook.cells[12].outputs[0].text
    text = (tmp_path / "mine.py").read_text()
    assert text.count("def outer") == 1 and text.count("def half") == 1 and "an old one" not in text
    assert "a global that is" not in text and "decimal" not in text and text.index("PERIOD =") < text.index("def wave")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1.5 1.438277")


@pytest.mark.slow
def test_methods_of_a_class_that_was_defined_anew_are_not_written(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    cells = [
        CELLS[0],
        "class A:\n    pass",
        "@attach(A)\ndef one(self):\n    return 1",
        "class A:\n    two = 2",
        "export('again', A)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("NBGRADER_EXECUTION", None)
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute(
        env=environment
    )
    space: dict[str, object] = {}
    exec((tmp_path / "again.py").read_text(), space)
    assert space["A"].two == 2 and not hasattr(space["A"], "one")


def test_while_graded_the_module_is_made_of_the_objects(monkeypatch, tmp_path):
    from helpers.notebook import export

    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mine_in_grading", None)
    export("mine_in_grading", export)
    assert sys.modules["mine_in_grading"].export is export and not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_progress_bar_leaves_nothing_in_the_notebook():
    import nbformat
    from nbclient import NotebookClient

    cell = "from helpers import progress_bar\nfor _ in progress_bar(3, 'walking'): pass"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert [output.data for output in notebook.cells[0].outputs] == [{"text/plain": ""}]


def test_a_progress_bar_in_a_terminal_is_tqdms_own(capsys):
    from helpers import progress_bar

    assert list(progress_bar(3, "walking")) == [0, 1, 2]
    assert "walking:   0%" in capsys.readouterr().err
