"""A course folder in which two students have handed in, and formgrader in the browser: for the tests and for docs/screenshots.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

from autograder import demo, keys, sandbox
from tests.browser import drive

REPOSITORY = Path(__file__).resolve().parent.parent.parent
NAME, WRITTEN = "03_vpsde", "vpsde-ode_or_sde"
MISTAKE = "vpsde.sample_ode:no-half"
ESSAY = (
    "It is the reverse SDE, with its signs turned. <script>document.title = 'taken'</script> The ½ makes up for the noise."
)


def variables(folder: Path) -> dict[str, str]:
    """The environment in which nbgrader and JupyterLab see this course folder."""
    here = {"DIFFUSION_LABS_COURSE": str(folder), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return {**here, sandbox.SWITCH: "off"} if sandbox.problem() else here


def make_course(folder: Path) -> None:
    """One notebook's sources and the configuration, as in a fresh clone."""
    shutil.copytree(REPOSITORY / "solutions" / NAME, folder / "solutions" / NAME)
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(REPOSITORY / name, folder)
    python(folder, "-c", "from autograder import build; build.write_sources()")


def hand_in(folder: Path, students: dict[str, tuple[str, ...]], essay: str = ESSAY) -> None:
    """Students hand in right answers but for the known mistakes that each makes, and an essay."""
    known = {one.id: one for one in keys.answers("misconceptions", NAME)}
    for student, mistakes in students.items():
        notebook = nbformat.read(folder / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
        demo.fill(notebook, {**demo.reference(NAME), **{known[id].task: known[id].cell for id in mistakes}})
        next(cell for cell in notebook.cells if cell["id"] == f"{WRITTEN}-answer").source = essay
        path = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def python(folder: Path, *words: str) -> str:
    """Run Python in the course folder; returns what it printed.

    Raises:
        RuntimeError: with what it printed, if it ended with an error.
    """
    environment = {**os.environ, **variables(folder)}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


class Formgrader:
    """Formgrader as JupyterLab's menu opens it: a frame in a tab."""

    def __init__(self, lab: drive.Lab) -> None:
        self.driver = lab.driver
        self.enter()

    def enter(self) -> None:
        """Open formgrader from the menu of JupyterLab, and go into its frame."""
        self.driver.switch_to.default_content()
        self.click_menu("Nbgrader", "Formgrader")
        self.driver.switch_to.frame(drive.wait("formgrader's tab", lambda: self.find("iframe[src*=formgrader]")))
        drive.wait("the list of assignments", lambda: self.row(NAME))

    def to_submissions(self) -> None:
        """The list of submissions, by way of the list of assignments."""
        self.follow("Manual Grading")
        self.follow("Manage Assignments")
        drive.wait("the list of assignments", lambda: self.row(NAME))
        self.find(".num-submissions a", self.row(NAME)).click()

    def open_submission(self, student: str) -> None:
        """A student's notebook as its marker sees it."""
        self.find(".student-name a, td a", drive.wait(student, lambda: self.row(student))).click()
        self.follow(NAME)

    def find(self, selector: str, within: Any = None) -> Any:
        """The first element that a CSS selector finds."""
        from selenium.webdriver.common.by import By

        return (within or self.driver).find_element(By.CSS_SELECTOR, selector)

    def click_menu(self, *labels: str) -> None:
        """Click on entries of JupyterLab's menus, one after another."""
        from selenium.webdriver.common.by import By

        for label in labels:
            path = f"//*[contains(@class, 'lm-MenuBar-itemLabel') or contains(@class, 'lm-Menu-itemLabel')][normalize-space()='{label}']"
            drive.wait(label, lambda path=path: self.driver.find_element(By.XPATH, path).is_displayed())
            self.driver.find_element(By.XPATH, path).click()

    def row(self, text: str) -> Any:
        """The row of the table on the page that holds this text."""
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.XPATH, f"//tbody/tr[td[normalize-space()='{text}']]")

    def do(self, text: str, column: str, seconds: float = 120) -> str:
        """Click on the button in a row, wait for nbgrader's answer, close it, and return its text."""
        drive.wait(text, lambda: self.find(f".{column} a", self.row(text)).is_displayed())
        self.find(f".{column} a", self.row(text)).click()
        box = drive.wait("nbgrader's answer", lambda: self.find(".modal.in .modal-body"), seconds)
        said = box.get_property("textContent")
        drive.wait("the button", lambda: self.find(".modal.in .modal-footer button").is_displayed())
        self.driver.execute_script("arguments[0].click()", self.find(".modal.in .modal-footer button"))
        drive.wait("the page", lambda: not self.driver.execute_script("return document.querySelector('.modal')"))
        return said

    def follow(self, text: str) -> None:
        """Click on a link of the page."""
        from selenium.webdriver.common.by import By

        drive.wait(text, lambda: self.driver.find_element(By.LINK_TEXT, text).is_displayed())
        self.driver.find_element(By.LINK_TEXT, text).click()

    def mark(self, grade_id: str, score: str, comment: str) -> None:
        """Type a score and a comment, and wait until both are saved."""
        from selenium.webdriver import Keys

        typed = {grade_id: score, f"{grade_id}-comment": comment}
        quiet = "return document.readyState === 'complete' && !!window.jQuery && jQuery.active === 0"
        # the page has its fields before it has the marks, and then writes these over whatever was typed
        drive.wait("the marks", lambda: self.find(f"[id='{grade_id}-comment']").get_property("placeholder"))
        drive.wait("the marks", lambda: self.driver.execute_script(quiet))
        for place, words in typed.items():
            field = self.find(f"[id='{place}']")
            self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", field)
            field.clear()
            field.send_keys(words, Keys.TAB)
        drive.wait("both to be saved", lambda: self.driver.execute_script(quiet))
        drive.wait(
            "both",
            lambda: all(self.find(f"[id='{place}']").get_property("value") == words for place, words in typed.items()),
            10,
        )

    def show(self, grade_id: str) -> None:
        """Bring a marked question, and the cell below it, into view."""
        field = self.find(f"[id='{grade_id}-comment']")
        script = "arguments[0].closest('.cell').nextElementSibling.scrollIntoView({block: 'end'})"
        self.driver.execute_script(script, field)
