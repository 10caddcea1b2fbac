"""An instructor in formgrader, from a fresh course folder to a feedback page, with clicks and keys only; then the class report."""

from __future__ import annotations

import sys

import pytest

from autograder import course, keys
from tests.autograder.test_nbgrader import auto_points, auto_total, scores
from tests.browser import drive, instructor
from tests.browser.instructor import NAME, WRITTEN

COMMENT = "The signs are right; say more about the noise in (c)."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("course")


@pytest.fixture(scope="module")
def formgrader(folder):
    """Formgrader after two students have handed in and were graded with clicks, and what nbgrader said to each click."""
    instructor.make_course(folder)
    with drive.jupyter_lab(folder, instructor.variables(folder)) as address, drive.chromium() as driver:
        page = instructor.Formgrader(drive.Lab(driver, address))
        said = [page.do(NAME, "assign")]
        instructor.hand_in(folder, {"ada": (), "emil": (instructor.MISTAKE,)})
        driver.refresh()
        page.enter()
        page.find(".num-submissions a", page.row(NAME)).click()
        said += [page.do(student, "autograde") for student in ("ada", "emil")]
        yield page, said


def test_every_click_succeeds_and_our_configuration_grades(formgrader, folder):
    page, said = formgrader
    assert len(said) == 3 and all("Successfully" in text for text in said), said
    graded = scores(folder)
    lost = course.load(NAME).tasks[instructor.MISTAKE.partition(":")[0]]
    assert auto_points(graded["ada", NAME]) == auto_total(NAME)
    assert auto_points(graded["emil", NAME]) == auto_total(NAME) - lost
    assert "needs manual grading" in page.row("emil").text


def test_a_marker_sees_the_mark_scheme_and_the_feedback_holds_the_mark_alone(formgrader, folder):
    page, _ = formgrader
    page.open_submission("emil")
    text = drive.wait("the submission", lambda: page.find("body").text)
    says = next(one.says for one in keys.misconceptions("vpsde.sample_ode") if one.id == instructor.MISTAKE)
    assert "MARK SCHEME" in text and "Fokker" in text, "the marker needs it"
    assert says in " ".join(text.split())
    assert page.driver.title != "taken" and "<script>" in text, "the student's script is text"
    page.mark(WRITTEN, "1.5", COMMENT)
    assert scores(folder)["emil", NAME][WRITTEN][1] == 1.5
    page.to_submissions()
    assert "Successfully" in page.do("emil", "generate-feedback")
    feedback = folder / "feedback" / "emil" / NAME / f"{NAME}.html"
    with drive.chromium() as driver:
        driver.get(feedback.as_uri())
        read = " ".join(driver.find_element("css selector", "body").text.split())
        assert COMMENT in read and "1.5 / 3" in read and says in read
        assert "MARK SCHEME" not in driver.page_source and "Fokker" not in read
        assert driver.title != "taken"


@pytest.mark.parametrize("width", (1300, 390))
def test_the_report_opens_without_errors_at_any_width(formgrader, folder, width):
    instructor.python(folder, "-m", "autograder", "report", NAME)
    with drive.chromium(width, 900) as driver:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        driver.get((folder / "reports" / f"{NAME}.html").as_uri())
        assert instructor.MISTAKE in driver.page_source
        driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert driver.execute_script("return [window.innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert drive.console_errors(driver) == []
        assert drive.remote_requests(driver) == set()


def test_make_lab_opens_jupyterlab_on_the_notebooks():
    # with the Python of this test in place of the environment that `make setup` makes
    command = ["make", "lab", f"RUN={sys.executable}", "READY="]
    with drive.jupyter_lab(instructor.REPOSITORY, command=command) as address, drive.chromium() as driver:
        drive.Lab(driver, address)
        drive.wait("the list of notebooks", lambda: listed(driver) == course.assignment_names())


def listed(driver):
    """The names that the file browser shows."""
    return [item.text for item in driver.find_elements("css selector", ".jp-DirListing-itemName") if item.text]
