"""Make the README's picture: a student's notebook in which a check names the mistake. Needs chromium; run from the repository.

python docs/pictures.py
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from autograder import course, keys

MISTAKE = "vpsde.sample_ode"
WIDTH, HEIGHT = 980, 1000


def main() -> None:
    """Run the check on the first known mistake of the task and photograph the page."""
    mistake = keys.misconceptions(MISTAKE)[0]
    assignment = course.load(course.tasks()[MISTAKE])
    cells = [nbformat.v4.new_code_cell(source) for _, source in assignment.cells_before_check(MISTAKE, mistake.cell)]
    for task in [*keys.public_item(MISTAKE)["needs"], MISTAKE]:
        cells.append(nbformat.v4.new_code_cell(assignment.check_cell(task).source))
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3").execute()
    answer = next(cell for cell in reversed(notebook.cells) if cell.source == mistake.cell)
    notebook.cells = [answer, notebook.cells[-1]]
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page.html")
        path.write_text(page, encoding="utf-8")
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            raise SystemExit("chromium is needed to take the picture: apt install chromium")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/u",
        ]
        command += [f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={folder}/panel.png", path.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        _crop(Path(folder, "panel.png"), Path(__file__).with_name("panel.png"))


def _crop(source: Path, target: Path) -> None:
    """Cut off the empty page below the panel."""
    import matplotlib.pyplot as plt

    image = plt.imread(source)[..., :3]
    used = (image < 0.99).any(axis=(1, 2)).nonzero()[0]
    plt.imsave(target, image[: used[-1] + 20])


if __name__ == "__main__":
    main()
