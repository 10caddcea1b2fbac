"""Figures, animations, sliders and live curves, as a page gets them."""

from __future__ import annotations

import base64
import importlib.util
import io
import itertools
import shutil

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_rgb
from PIL import Image

from autograder.feedback import FeedbackExporter
from autograder.intake import safe_output
from helpers import explore as exploring
from helpers import figures, plots
from helpers import live as living
from helpers.animate import Recorder, animate
from helpers.explore import Explorer, explore
from helpers.live import live

plt.switch_backend("agg")

# Machado, Oliveira and Fernandes 2009, severity 1.0, for linear RGB
SEEN = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB, white of D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one, other, seen):
    return np.linalg.norm(lab(np.array(SEEN[seen]) @ linear(one)) - lab(np.array(SEEN[seen]) @ linear(other)))


@pytest.mark.parametrize("seen", SEEN)
def test_the_colours_stay_apart_with_any_colour_vision(seen):
    for one, other in itertools.combinations([*plots.COLOURS, plots.INK, "white"], 2):
        assert distance(one, other, seen) > 10, (one, other)
    assert (
        distance("#ff0000", "#00a000", "deutan") < distance("#ff0000", "#00a000", "normal") / 2
    )  # the simulation simulates


def test_ink_is_readable_on_the_card_that_every_figure_is():
    plots.style()
    card, ink = (np.array([0.2126, 0.7152, 0.0722]) @ linear(c) for c in (plt.rcParams["figure.facecolor"], plots.INK))
    assert (card + 0.05) / (ink + 0.05) >= 4.5  # WCAG AA; the card is opaque, so the page's theme does not matter
    assert Image.open(io.BytesIO(figures.png(plt.figure()))).convert("RGBA").getextrema()[3] == (255, 255)
    plt.close("all")


@pytest.fixture
def drawn():
    figure, axes = plt.subplots(1, 2)
    axes[0].semilogy([1, 2, 3], label=r"$\bar\alpha_t$ & <b>")
    axes[0].set(xlabel="step $t$", title="a “title”")
    axes[1].scatter([1, 2], [3, 4])
    yield figure
    plt.close("all")


def test_a_figure_is_described_by_its_titles_axes_and_content(drawn):
    text = figures.describe(drawn)
    for part in ("2 panels", "a “title”", "x axis step t from", "logarithmic", "1 line (bar alpha_t & <b>)", "2 points"):
        assert part in text
    plots.alt("Two panels that say nothing.", drawn)
    assert figures.describe(drawn) == "Two panels that say nothing."


def test_the_text_alternative_reaches_the_pages(drawn):
    from IPython.core.pylabtools import select_figure_formats  # what the inline backend does before
    from nbconvert import HTMLExporter

    formatter = DisplayFormatter()
    select_figure_formats(type("Shell", (), {"display_formatter": formatter}), {"png"})
    figures.register(formatter)
    data, metadata = formatter.format(drawn)
    assert data["text/plain"] == metadata["image/png"]["alt"] == figures.describe(drawn)
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])])
    for template in ("lab", "classic"):
        page = BeautifulSoup(HTMLExporter(template_name=template).from_notebook_node(notebook)[0], "html.parser")
        assert [img["alt"] for img in page.find_all("img")] == [figures.describe(drawn)]
    output.data["text/plain"] += '"><script>alert(1)</script>'
    notebook.cells[0].outputs = [kept] = [safe_output(output)]  # grading drops the HTML and keeps the words
    page = FeedbackExporter(template_name="classic").from_notebook_node(notebook)[0]
    (img,) = BeautifulSoup(page, "html.parser").find_all("img")
    assert img["alt"] == output.data["text/plain"] and "<script>alert(1)" not in page
    assert set(kept.data) == {"text/plain", "image/png"}
    assert Image.open(io.BytesIO(base64.b64decode(kept.data["image/png"]))).size[0] > 300


TIMES = torch.linspace(0, 1, 31)


def walk(*shape):
    return torch.randn(31, *shape, generator=torch.Generator().manual_seed(0)).cumsum(0) / 5


def hill(t):
    return torch.distributions.Independent(torch.distributions.Normal(torch.zeros(WIDTH[0]), 0.3 + t), 1)


WIDTH = [2]


@pytest.mark.slow  # twenty drawings each, one to two seconds on a quiet machine
@pytest.mark.parametrize(("shape", "extra"), [((200,), False), ((200, 1), True), ((200, 2), True), ((30, 3, 8, 8), False)])
def test_animations_show_the_first_and_the_last_step_and_stay_small(shape, extra):
    WIDTH[0] = shape[-1]
    laws = {"density": hill, "score": (lambda x, t: -x) if shape[-1] == 2 else None} if extra else {}
    x = walk(*shape)
    made = animate(x, TIMES, title="walk", **laws)
    assert len(made.frames) == 20 and made.labels[0] == "t = 0" and made.labels[-1] == "t = 1"
    assert len({frame.tobytes() for frame in made.frames}) == 20
    assert len({frame.size for frame in made.frames}) == 1
    only_ends = animate([x[0], x[-1]], [0, 1], title="walk", **laws)  # a list will do
    assert only_ends.labels == ["t = 0", "t = 1"]
    if len(shape) == 4:  # pictures are scaled alike, so the same entry gives the same frame
        assert only_ends.frames[1].tobytes() == made.frames[-1].tobytes()
    data, metadata = made._repr_mimebundle_()
    assert sum(map(len, data.values())) < 1_000_000
    assert "200 " in made.alt or "30 pictures" in made.alt
    page = BeautifulSoup(data["text/html"], "html.parser")
    assert page.img["alt"] == metadata["image/png"]["alt"] == made.alt
    assert page.button["aria-label"] == "Play" and page.input["type"] == "range" and page.input["max"] == "19"
    kept = safe_output(nbformat.v4.new_output("display_data", data=data))
    still = Image.open(io.BytesIO(base64.b64decode(kept.data["image/png"])))
    assert still.width > 3 * still.height  # five frames side by side
    assert not plt.get_fignums()


def test_animations_say_what_they_cannot_draw():
    with pytest.raises(ValueError, match=r"got \(5, 4, 3\)"):
        animate(torch.zeros(5, 4, 3))
    with pytest.raises(ValueError, match="31 entries along the first dimension, but 5 times"):
        animate(walk(10, 2), torch.arange(5))


def test_a_recorder_keeps_what_the_network_is_asked():
    recorder, x = Recorder(lambda x, t: x + 1), torch.zeros(3, 2)
    assert (recorder(x, torch.ones(3)) == 1).all()
    x += 5  # what was kept is a copy
    assert len(recorder.states) == 1 and (recorder.states[0] == 0).all()


def draw(t=1, kind="a"):
    if t == 3:
        raise RuntimeError("no <3>")
    plt.plot([0, t])
    plt.title(f"{kind} {t}")


@pytest.fixture
def shown(monkeypatch):
    """What is displayed."""
    found = []

    class Handle:
        def update(self, *args, **kwargs):
            found.append((*args, kwargs))

    def display(*args, **kwargs):
        found.append((*args, kwargs))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    return found


def test_sliders_are_a_still_figure_where_nobody_can_move_them(shown, monkeypatch):
    assert not exploring.front_end()
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    explore(draw, t=[1, 2], kind=["a", "b"], start={"t": 2})
    ((data, options),) = shown
    assert set(data) == {"text/plain", "text/html", "image/png"} and "“a 2”" in data["text/plain"]
    assert options["metadata"]["image/png"]["alt"] == data["text/plain"]
    assert not plt.get_fignums()


def test_sliders_answer_in_one_place_and_leave_a_picture(shown, monkeypatch):
    pytest.importorskip("ipywidgets")
    monkeypatch.setattr(exploring, "front_end", lambda: True)
    explore(draw, t=[1, 2], kind=["a", "b"])
    ((data, _),) = shown
    assert set(data) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    made = Explorer(draw, {"t": [1, 2, 3], "kind": ["a", "b"]}, {})
    number, word, view = made.widget().children
    assert "“a 1”" in view.value
    number.value = 2
    assert "“a 2”" in view.value and view.value.count("<img") == 1
    word.value = "b"
    assert "“b 2”" in view.value
    number.value = 3
    assert "<img" not in view.value and "RuntimeError: no &lt;3&gt;" in view.value
    number.value = 1
    assert "“b 1”" in view.value and made.values == {"t": 1, "kind": "b"}
    assert not plt.get_fignums() and len(shown) == 1


def test_sliders_say_what_is_wrong_with_the_choices():
    with pytest.raises(ValueError, match="nothing to choose from for t"):
        Explorer(draw, {"t": []}, {})
    with pytest.raises(ValueError, match="t starts at 9"):
        Explorer(draw, {"t": [1]}, {"t": 9})


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(1.0))

    def loss(self, x):
        return (self.w * x).square().mean()


def test_a_live_curve_notes_every_training_loss_and_goes_away(shown):
    model, found = Model(), []
    with live(model, lowest=0.5, title="watched") as curve:
        for k in range(60):
            found.append(model.loss(torch.tensor([float(k)])).item())
        with torch.no_grad():
            model.loss(torch.tensor([1000.0]))
    assert curve.losses == found
    assert "loss" not in vars(model) and model.loss(torch.tensor([2.0])).item() == 4
    ((data, _),) = shown  # nobody watches: one figure at the end
    assert "watched" in data["text/plain"] and "exact score" in data["text/plain"] and not plt.get_fignums()


def test_a_live_curve_survives_an_interruption_and_watches_module_functions(shown, monkeypatch):
    import types

    module = types.ModuleType("steps")
    module.large_step = original = lambda: (2.5, None)
    with pytest.raises(KeyboardInterrupt), live(module, "large_step") as curve:
        assert module.large_step() == (2.5, None)
        raise KeyboardInterrupt
    assert curve.losses == [2.5] and module.large_step is original and len(shown) == 1


def test_a_live_curve_is_updated_in_place_and_seldom(shown, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(living, "front_end", lambda: True)
    monkeypatch.setattr(living.time, "perf_counter", lambda: clock[0])
    model = Model()
    with live(model, keep=False):
        for _ in range(200):
            clock[0] += 0.02  # 4 seconds
            model.loss(torch.ones(1))
    assert 4 <= len(shown) - 1 <= 8  # at most two in a second, and a line at the end
    assert shown[0][-1].get("display_id") is True and all("display_id" not in one[-1] for one in shown[1:])
    assert shown[-1][0] == {"text/plain": "200 steps"}


@pytest.mark.full
@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver") and importlib.util.find_spec("selenium")),
    reason="needs chromium and selenium",
)
def test_the_player_answers_to_the_keyboard_and_to_less_motion(tmp_path):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{animate(walk(50, 2), TIMES).html()}")
    for less in (True, False):
        options = webdriver.ChromeOptions()
        for argument in ("headless", "no-sandbox", "disable-gpu", f"user-data-dir={tmp_path / str(less)}"):
            options.add_argument(f"--{argument}")
        if less:
            options.add_argument("--force-prefers-reduced-motion")
        with webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"))) as browser:
            browser.get(page.as_uri())
            slider, button = browser.find_element("tag name", "input"), browser.find_element("tag name", "button")
            if less:
                browser.implicitly_wait(1)
                assert slider.get_attribute("value") == "0" and button.get_attribute("aria-label") == "Play"
                slider.send_keys(Keys.ARROW_RIGHT)
                assert slider.get_attribute("value") == "1" and slider.get_attribute("aria-valuetext") != "t = 0"
                assert browser.execute_script("return document.querySelector('img').style.left") == "-100%"
                button.send_keys(Keys.SPACE)
                assert button.get_attribute("aria-label") == "Pause"
            WebDriverWait(browser, 20).until(lambda _, slider=slider: slider.get_attribute("value") == "19")
            WebDriverWait(browser, 5).until(lambda _, button=button: button.get_attribute("aria-label") == "Play")
