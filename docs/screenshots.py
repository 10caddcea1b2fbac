"""Make the pictures of JupyterLab, of formgrader and of the class report. Needs chromium and selenium; run from the repository.

python docs/screenshots.py            # all: some minutes
python docs/screenshots.py lab        # docs/lab.png
python docs/screenshots.py graded     # docs/formgrader.png and docs/report.png
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from autograder import course, demo, keys
from tests.browser import drive, instructor

DOCS = Path(__file__).resolve().parent
MOST = 150_000
"""Bytes of a picture."""
CLASS = {
    "ada": (),
    "bela": (),
    "emil": (instructor.MISTAKE,),
    "fatou": (instructor.MISTAKE, "vpsde.loss:weight-outside"),
    "goran": ("vpsde.sigma:variance",),
    "hana": (),
    "ines": ("vpsde.loss:weight-outside",),
    "jonas": (instructor.MISTAKE,),
}
"""The class of the report: which known mistakes each student makes."""

ESSAY = """It is the reverse SDE: the update has the whole g² and fresh noise in every step. The signs are turned because Δt is positive here.
The ODE has a ½ because it has no noise. Without the noise but with the whole g² the samples become inaccurate."""


def lab() -> None:
    """A student's notebook in JupyterLab, in which a check has just named the mistake."""
    name, task = instructor.NAME, instructor.MISTAKE.partition(":")[0]
    mistake = next(one for one in keys.misconceptions(task) if one.id == instructor.MISTAKE)
    with tempfile.TemporaryDirectory() as folder:
        drive.unpack(Path(folder))
        with drive.jupyter_lab(Path(folder)) as address, drive.chromium(1180, 1150) as driver:
            page = drive.Lab(driver, address)
            page.open(f"notebooks/{name}/{name}.ipynb")
            page.command("application:toggle-left-area")
            answer = page.index(course.grade_id(task))
            right = {course.grade_id(task): cell for task, cell in demo.reference(name).items()}
            for number, cell in enumerate(page.cells()[:answer]):
                identity = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
                if identity in right:
                    page.paste(number, right[identity])
                if identity in right or identity.startswith("given") or identity.endswith("-check"):
                    page.run(number)
            page.paste(answer, mistake.cell)
            page.run(answer)
            check = page.index(course.grade_id(task, "check"))
            page.run(check)
            page.js("nb.widgets[arguments[0]].node.scrollIntoView({block: 'end'})", check)
            time.sleep(1)  # the page moves
            _save(driver.get_screenshot_as_png(), "lab")


def graded() -> None:
    """A written answer in formgrader, marked with a score and a comment, below its mark scheme; and the report on a class of eight."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        instructor.make_course(folder)
        instructor.python(folder, "-m", "nbgrader", "generate_assignment", instructor.NAME)
        instructor.hand_in(folder, CLASS, ESSAY)
        instructor.python(folder, "-m", "nbgrader", "autograde", instructor.NAME)
        instructor.python(folder, "-m", "autograder", "report", instructor.NAME)
        with drive.chromium(1000, 1300) as driver:
            driver.get((folder / "reports" / f"{instructor.NAME}.html").as_uri())
            _save(driver.get_screenshot_as_png(), "report")
        with drive.jupyter_lab(folder, instructor.variables(folder)) as address, drive.chromium(1180, 1240) as driver:
            page = drive.Lab(driver, address)
            page.command("application:toggle-left-area")
            page = instructor.Formgrader(page)
            page.to_submissions()
            page.open_submission("emil")
            page.mark(instructor.WRITTEN, "1.5", "The signs are right. Say more about (c): what becomes of the spots?")
            _formulas(driver)
            page.show(instructor.WRITTEN)
            _save(driver.get_screenshot_as_png(), "formgrader")


def _formulas(driver: Any) -> None:
    """Set the page's formulas, with the site's MathJax: formgrader gets its own from a network, which need not be there."""
    import site

    script = next(Path(place, "sphinx-mathjax-offline/static/mathjax/tex-svg-full.js") for place in site.getsitepackages())
    driver.execute_script(
        "window.MathJax = {tex: {inlineMath: [['$', '$']]}}; const one = document.createElement('script');"
        "one.text = arguments[0]; document.head.append(one);",
        script.read_text(encoding="utf-8"),
    )
    drive.wait("the formulas", lambda: driver.execute_script("return document.querySelectorAll('mjx-container').length > 3"))


def _save(png: bytes, name: str) -> None:
    """Write docs/<name>.png in 256 colours, which is enough for text."""
    from PIL import Image

    path = DOCS / f"{name}.png"
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, more than {MOST}.")
    print(f"{path.relative_to(DOCS.parent)}: {path.stat().st_size / 1000:.0f} kB")


def main(names: list[str]) -> None:
    """Make the pictures that are asked for; all of them if none is."""
    pictures = {"lab": lab, "graded": graded}
    if drive.missing() or set(names) - set(pictures):
        raise SystemExit(drive.missing() or f"say {' or '.join(pictures)}, or nothing for all pictures")
    for name in names or pictures:
        pictures[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
