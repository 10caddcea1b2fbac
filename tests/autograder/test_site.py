"""The site: links that lead nowhere are refused at once; the built pages are crawled and opened in a browser (full)."""

import json
import re
import shutil
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import nbformat
import pytest

from autograder import bundle, course, pictures, site
from helpers import handin

WIDTH = 390
ALIVE = re.compile(r"^(?!.*keep=False)(?!\s|def |from |import ).*\b(animate|explore|live)\(", re.M)


class Page(HTMLParser):
    """What a page refers to: the files that it loads, its links, its anchors, headings, and pictures without a description."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads, self.links, self.anchors, self.headings, self.undescribed = [], [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("img", "script", "iframe") and attrs.get("src"):
            self.loads.append(attrs["src"])
        if tag == "link" and attrs.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(attrs["href"])
        if tag == "img" and not (attrs.get("alt") or "").strip():
            self.undescribed.append(attrs.get("src"))
        if tag in ("h1", "h2", "h3", "h4", "h5"):
            self.headings.append(int(tag[1]))


def test_a_link_to_a_file_that_is_not_on_the_site_is_plain_text_and_one_to_nowhere_is_refused():
    text = "See [the forms](../autograder/exact.py), [grading](grading.md#keys-and-the-secret), `[x](code.md)`.\n\n```\n[x](code.md)\n```\n"
    done = site._linked(text, "docs/page.md", {"docs/grading.md"})
    assert done == text.replace("[the forms](../autograder/exact.py)", "the forms")
    with pytest.raises(site.SiteError, match=r"docs/page\.md has a link to nowhere\.md"):
        site._linked("[x](nowhere.md)", "docs/page.md", set())


@pytest.mark.slow
def test_every_page_of_docs_is_on_the_site_once_in_its_menu():
    pages = site.pages()
    for path in site.DOCS.glob("*.md"):
        assert pages["index.md"].count(f"\ndocs/{path.stem}\n") == 1, path
    assert "{{" not in pages["index.md"]


@pytest.mark.parametrize("name", course.assignment_names())
def test_every_figure_of_a_notebook_has_a_picture_of_its_own(name):
    """After a change to a cell that draws: python -m autograder pictures NN."""
    cells = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", 4).cells
    drawing = [
        cell for cell in cells if cell.cell_type == "code" and (handin.draws(cell.source) or ALIVE.search(cell.source))
    ]
    assert len(drawing) > 3
    assert [cell.id for cell in drawing if not pictures.of(cell)] == []
    shown = {path for cell in cells for path in pictures.of(cell)}
    assert shown == set(pictures.FOLDER.glob(f"{name[:2]}-*")) and {path.name for path in shown} <= set(
        pictures.alternatives()
    )
    assert all(path.stat().st_size <= pictures.LARGEST for path in shown)


def test_a_picture_whose_cell_has_changed_is_not_shown():
    cell = next(
        cell for cell in nbformat.read(course.ROOT / "notebooks/01_sampling/01_sampling.ipynb", 4).cells if pictures.of(cell)
    )
    cell.source += "\n# another title"
    assert pictures.of(cell) == []


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    for module in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(module, reason=f"the site needs {module}: pip install -e '.[site]'")
    return site.write(tmp_path_factory.mktemp("site") / "out").parent


@pytest.mark.full
def test_every_internal_link_resolves_and_nothing_is_loaded_from_elsewhere(built):
    assert len(list(built.rglob("*.html"))) > 60
    assert not _broken(built)


@pytest.mark.full
def test_the_site_for_students_is_whole_without_the_instructors_pages(built, tmp_path):
    students = site.write(tmp_path / "out", students=True).parent
    assert not _broken(students)
    left_out = {path.relative_to(built) for path in built.rglob("*.html")} - {
        p.relative_to(students) for p in students.rglob("*.html")
    }
    assert {Path("docs/mistakes.html"), Path("docs/grading.html"), Path("api/autograder.exact.html")} <= left_out
    assert not list(students.rglob("_images/ddpm.*"))


def _broken(folder: Path) -> list[tuple]:
    """Links and anchors of built pages that lead nowhere, and what they load from elsewhere."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for target in [*page.loads, *page.links]:
            if urlparse(target).scheme or target.startswith("//"):
                if target in page.loads and not target.startswith("data:"):
                    broken.append((path.name, target, "is loaded from elsewhere"))
                continue
            place, anchor = urldefrag(target)
            file = (path.parent / unquote(urlparse(place).path)).resolve() if place else path
            if not file.is_file():
                broken.append((path.name, target, "is not there"))
            elif anchor and file in pages and anchor not in pages[file].anchors:
                broken.append((path.name, target, "has no such anchor"))
    return broken


@pytest.mark.full
def test_pictures_are_described_and_headings_go_down_in_single_steps(built):
    for path in built.rglob("*.html"):
        page = Page(path)
        assert not page.undescribed, path
        assert page.headings.count(1) == 1 or path.name in ("search.html", "genindex.html"), path
        assert all(below <= above + 1 for above, below in zip(page.headings, page.headings[1:], strict=False)), path


@pytest.mark.full
def test_every_page_opens_without_an_error_and_fits_a_phone(built):
    """Chromium, offline, in both themes: an empty console, no request that leaves the folder or fails, no sideways scrolling."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="this test needs selenium: pip install -e '.[site]'")
    from selenium.webdriver.support.ui import WebDriverWait

    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("this test needs chromium and chromedriver: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as profile:
        for word in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", f"user-data-dir={profile}"):
            options.add_argument(f"--{word}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            browser.get("about:blank")
            browser.get_log("browser")  # what the browser's own first page had to say
            addresses = [path.as_uri() for path in sorted(built.rglob("*.html"))]
            wrong = [fault for address in addresses for fault in _faults(browser, address)]
            wrong += _faults(browser, f"{(built / 'search.html').as_uri()}?q=Heun")
            found = WebDriverWait(browser, 30).until(lambda browser: browser.find_elements("css selector", "ul.search li a"))
            assert any("03_vpsde" in link.get_attribute("href") for link in found)
        finally:
            browser.quit()
    assert not wrong, wrong


def _faults(browser, address: str) -> list[tuple]:
    """What is wrong with one page, at the width of a phone, in the light and in the dark theme."""
    wrong, name = [], address.rpartition("/")[2]
    for theme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": WIDTH, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(address)
        browser.set_script_timeout(60)
        browser.execute_async_script(
            "const done = arguments[0]; window.MathJax?.startup?.promise ? MathJax.startup.promise.then(done) : done();"
        )
        width, ink, paper = browser.execute_script(
            "const style = getComputedStyle(document.body);"
            "return [document.documentElement.scrollWidth, style.color, style.backgroundColor];"
        )
        if width > WIDTH:
            wrong.append((name, theme, f"is {width} px wide"))
        if _contrast(ink, paper) < 7:
            wrong.append((name, theme, f"{ink} on {paper}"))
        wrong += [(name, theme, entry["message"]) for entry in browser.get_log("browser")]
        events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        asked = {one["requestId"]: one["request"]["url"] for one in sent if one["documentURL"].startswith("file:")}
        wrong += [
            (name, theme, f"asks for {url}") for url in asked.values() if not url.startswith(("file:", "data:", "blob:"))
        ]
        for failure in (event["params"] for event in events if event["method"] == "Network.loadingFailed"):
            if failure["requestId"] in asked and not failure.get("canceled"):
                wrong.append((name, theme, f"{asked[failure['requestId']]} failed: {failure.get('errorText')}"))
    return wrong


def _contrast(one: str, two: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, 1 to 21; they are given as "rgb(r, g, b)"."""

    def luminance(colour: str) -> float:
        parts = [int(part.strip(" )")) / 255 for part in colour.partition("(")[2].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.slow
def test_the_site_for_students_holds_no_statement_of_a_reference_answer():
    """Spaces aside, so that a statement is found also where it stands over two lines or in a table. Notebooks: see test_bundle."""
    texts = {place: "".join(text.split()) for place, text in site.pages(students=True).items() if place.endswith(".md")}
    given = {s for name in course.assignment_names() for cell in course.load(name).cells if cell.kind == "given"
             and cell.type == "code" for s in bundle.statements(cell.source)}  # fmt: skip
    answers = {
        s for parts in bundle._reference_answers().values() for part in parts for s in bundle.statements(part)
    } - given
    assert len(answers) > 100
    found = [(place, s) for place, text in texts.items() for s in answers if "".join(s.split()) in text]
    assert not found
    everything = "".join("".join(text.split()) for text in site.pages().values())
    assert any("".join(s.split()) in everything for s in answers)  # the gallery has pieces of answers: this test can fail
