"""A real JupyterLab and a real browser, driven by keys and clicks: for the tests beside this file and for docs/screenshots.py."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from autograder import bundle

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)  # fmt: skip
"""The last one: whatever asks for another computer gets nothing, on every machine that runs this."""
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/completer-extension/manager": {"autoCompletion": False},
}
TOKEN = "walk"
NOT_OURS = re.compile(
    r"favicon|attachment:\S+ - Failed to load resource: net::ERR_UNKNOWN_URL_SCHEME|ResizeObserver loop|ERR_NAME_NOT_RESOLVED|jlab_core\S+ \S+ Uncaught TypeError: .*null \(reading 'id'\)"
)
"""JupyterLab's own: it asks for an attached picture before it puts in the data, and closes a tab right after its kernel was shut down."""


def missing() -> str:
    """One sentence that says what a browser test needs and this machine does not have; empty if all is there."""
    if not any(map(shutil.which, CHROMIUM)):
        return "Browser tests need Chromium: sudo apt install chromium chromium-driver."
    if not shutil.which("chromedriver"):
        return "Browser tests need chromedriver: sudo apt install chromium-driver."
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "Browser tests need selenium: pip install selenium."
    return ""


# --------------------------------------------------------------------------------------------------------- the server


@contextlib.contextmanager
def jupyter_lab(
    folder: Path, variables: dict[str, str] | None = None, dark: bool = False, command: list[str] | None = None
) -> Iterator[str]:
    """JupyterLab on a folder, with settings of its own that are thrown away; yields its address with the token.

    `variables` are added to the environment of the server and its kernels, `command` is another one that starts JupyterLab.

    Raises:
        RuntimeError: with the server's log, if it does not answer within two minutes.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        port = _free_port()
        server = {"port": port, "port_retries": 0, "ip": "127.0.0.1", "open_browser": False, "allow_root": True}
        config = {"ServerApp": server, "IdentityProvider": {"token": TOKEN}, "LabApp": {"expose_app_in_browser": True}}
        _write_json(Path(home, "jupyter_server_config.json"), config)
        _write_json(Path(home, "jupyter_lab_config.json"), config)
        theme = {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"}
        for name, values in {**SETTINGS, "@jupyterlab/apputils-extension/themes": theme}.items():
            _write_json(Path(home, "lab", "user-settings", f"{name}.jupyterlab-settings"), values)
        places = dict.fromkeys(("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), home)
        outside = {name: os.environ[name] for name in os.environ if not name.startswith(("PYTHONPATH", "DIFFUSION_LABS"))}
        log = Path(home, "server.log")
        with log.open("w") as stream:
            process = subprocess.Popen(
                command or [sys.executable, "-m", "jupyterlab"],
                cwd=folder,
                env={**outside, **places, **(variables or {})},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            address = f"http://127.0.0.1:{port}/?token={TOKEN}"
            _wait_for_server(process, address, log)
            yield address
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def _end(process: subprocess.Popen) -> None:
    """End a server with everything in its session: politely, so that it ends its kernels, and then not."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)


def _wait_for_server(server: subprocess.Popen, address: str, log: Path) -> None:
    end = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < end:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(address, timeout=10):
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(encoding='utf-8')[-3000:]}")


# -------------------------------------------------------------------------------------------------------- the browser


@contextlib.contextmanager
def chromium(width: int = 1300, height: int = 1000, scale: float = 1.0) -> Iterator[Any]:
    """A headless Chromium that can reach this computer only; yields selenium's driver."""
    from selenium import webdriver

    binary = next(filter(None, map(shutil.which, CHROMIUM)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (
            *FLAGS,
            f"--window-size={width},{height}",
            f"--user-data-dir={profile}",
            f"--force-device-scale-factor={scale}",
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        driver.set_script_timeout(120)
        try:
            yield driver
        finally:
            driver.quit()


def wait(what: str, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The first true value of `condition`; errors of a page that is still changing count as not yet.

    Raises:
        TimeoutError: with `what`, and the last error if there was one.
    """
    from selenium.common.exceptions import JavascriptException, NoSuchElementException, StaleElementReferenceException

    end, last = time.monotonic() + seconds, ""
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except (JavascriptException, NoSuchElementException, StaleElementReferenceException) as error:
            last = str(error).splitlines()[0]
        time.sleep(0.05)
    raise TimeoutError(f"waited {seconds:g} s for {what}. {last}")


def console_errors(driver: Any) -> list[str]:
    """The errors in the browser's console since the last call, Jupyter's known and harmless ones aside."""
    return [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and not NOT_OURS.search(entry["message"])
    ]


def remote_requests(driver: Any) -> set[str]:
    """The addresses on other computers that the page has asked for since the last call."""
    found = set()
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if urlsplit(address).scheme.startswith(("http", "ws")) and urlsplit(address).hostname not in (
                "127.0.0.1",
                "localhost",
            ):
                found.add(address)
    return found


# ------------------------------------------------------------------------------------------------- a notebook in the Lab


def unpack(folder: Path) -> Path:
    """Write what a student has into a folder: the contents of the bundle. Returns the folder."""
    for name, content in bundle.contents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return folder


class Lab:
    """The Lab in a browser, and the notebook that is open in it."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver = driver
        driver.get(address)
        wait(
            "JupyterLab",
            lambda: driver.execute_script("return !!(window.jupyterapp && document.querySelector('#jp-main-dock-panel'))"),
        )
        driver.execute_cdp_cmd(
            "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
        )

    def js(self, body: str, *values: Any) -> Any:
        """Run JavaScript in the page, with `panel`, `nb` (the open notebook) and `app`; `values` are `arguments`."""
        head = "const app = window.jupyterapp, panel = app.shell.currentWidget, nb = panel && panel.content;"
        return self.driver.execute_script(head + body, *values)

    def command(self, name: str, **arguments: Any) -> Any:
        """Execute a command of the Jupyter front end and wait for its end."""
        script = """const done = arguments[2];
            window.jupyterapp.commands.execute(arguments[0], arguments[1]).then(() => done(''), error => done(String(error)));"""
        error = self.driver.execute_async_script(script, name, arguments)
        if error:
            raise RuntimeError(f"{name}: {error}")

    def open(self, path: str) -> None:
        """Open a notebook and wait for its kernel."""
        self.command("docmanager:open", path=path, factory="Notebook")
        wait(
            "the notebook",
            lambda: self.js("return nb.widgets.length > 1 && panel.context.isReady && panel.sessionContext.isReady"),
        )
        wait("its kernel", lambda: self.status() == "idle")

    def status(self) -> str:
        """What the kernel is doing, such as "idle"."""
        return self.js("const s = panel.sessionContext.session; return s && s.kernel ? s.kernel.status : 'none'")

    def cells(self) -> list[dict[str, Any]]:
        """The cells of the open notebook, as they would be saved."""
        return json.loads(self.js("return JSON.stringify(nb.model.toJSON().cells)"))

    def index(self, grade_id: str) -> int:
        """The number of the cell with this nbgrader id."""
        found = self.js(
            "return nb.widgets.findIndex(c => (c.model.getMetadata('nbgrader') || {}).grade_id === arguments[0])", grade_id
        )
        if found < 0:
            raise KeyError(grade_id)
        return found

    def select(self, number: int) -> Any:
        """Make a cell the active one, bring it into view, and return its element."""
        script = """const done = arguments[1], nb = window.jupyterapp.shell.currentWidget.content;
            nb.activeCellIndex = arguments[0]; nb.deselectAll();
            nb.scrollToItem(arguments[0], 'start').then(() => done(''), error => done(''));"""
        self.driver.execute_async_script(script, number)
        wait(
            "the cell",
            lambda: self.js(
                "const n = nb.widgets[arguments[0]].node; return n.isConnected && n.querySelector('.cm-content, .jp-RenderedMarkdown')",
                number,
            ),
        )
        return self.js("return nb.widgets[arguments[0]].node", number)

    def keys(self, *keys: str, held: str = "") -> None:
        """Press keys, with one of them held if asked."""
        from selenium.webdriver import ActionChains

        chain = ActionChains(self.driver)
        if held:
            chain.key_down(held)
        chain.send_keys(*keys)
        if held:
            chain.key_up(held)
        chain.perform()

    def click_into(self, number: int, text: str = "") -> None:
        """Click into the editor of a cell, on the line that begins with `text`."""
        from selenium.webdriver.common.by import By

        editor = self.select(number).find_element(By.CSS_SELECTOR, ".cm-content")
        lines = editor.find_elements(By.CSS_SELECTOR, ".cm-line")
        target = next((line for line in lines if line.text.strip().startswith(text)), None)
        if target is None:
            raise ValueError(f"no line of cell {number} begins with {text!r}")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
        target.click()
        wait(
            "the cursor", lambda: self.driver.execute_script("return arguments[0].contains(document.activeElement)", editor)
        )

    def paste(self, number: int, source: str) -> None:
        """Replace what is in a cell by `source`: click, select all, paste."""
        from selenium.webdriver import Keys

        self.click_into(number)
        script = "const done = arguments[1]; navigator.clipboard.writeText(arguments[0]).then(() => done(''), error => done(String(error)));"
        error = self.driver.execute_async_script(script, source)
        if error:
            raise RuntimeError(f"the clipboard did not take the text: {error}")
        self.keys("a", held=Keys.CONTROL)
        self.keys("v", held=Keys.CONTROL)
        wait(
            "the pasted text",
            lambda: self.js("return nb.widgets[arguments[0]].model.sharedModel.getSource()", number) == source,
            10,
        )

    def type_over(self, number: int, begins: str, source: str) -> None:
        """Click on the line of a cell that begins with `begins`, and type over it; the editor indents."""
        from selenium.webdriver import Keys

        self.click_into(number, begins)
        self.keys(Keys.HOME)
        self.keys(Keys.END, held=Keys.SHIFT)
        for position, line in enumerate(source.splitlines()):
            self.keys(*([Keys.ENTER] if position else []), line)

    def insert_below(self, number: int) -> int:
        """A new empty cell below this one, with the key B; returns its number."""
        self.select(number)
        self.js("nb.mode = 'command'; nb.activate()")
        before = len(self.cells())
        self.keys("b")
        wait("the new cell", lambda: len(self.cells()) == before + 1, 10)
        return number + 1

    def start(self, number: int) -> None:
        """Run a cell with Control and Enter."""
        from selenium.webdriver import Keys

        self.select(number)
        self.js("nb.mode = 'command'; nb.activate()")
        self.keys(Keys.ENTER, held=Keys.CONTROL)

    def run(self, number: int, seconds: float = 60.0) -> str:
        """Run a cell, wait for its end, and return the text of its output as the page has it."""
        before = self.count(number)
        self.start(number)
        wait(f"cell {number} to run", lambda: self.count(number) not in (None, before) and self.status() == "idle", seconds)
        return self.output(number)

    def count(self, number: int) -> int | None:
        """The execution count of a cell; None where it has not been run or is running."""
        return self.js("return nb.widgets[arguments[0]].model.executionCount", number)

    def output(self, number: int) -> str:
        """The text of a cell's output in the page, spaces made one."""
        self.select(number)
        text = self.js(
            "const area = nb.widgets[arguments[0]].node.querySelector('.jp-Cell-outputWrapper'); return area ? area.innerText : ''",
            number,
        )
        return " ".join(text.split())

    def restart_and_run_all(self, seconds: float, before: str = "") -> None:
        """A new kernel without old outputs, `before` run in it out of sight, then all cells; returns at the end or the first error."""
        self.command("editmenu:clear-all")
        script = """const done = arguments[1], kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            kernel.restart().then(() => kernel.requestExecute({code: arguments[0]}).done)
                .then(() => done(''), error => done(String(error)));"""
        error = self.driver.execute_async_script(script, before)
        if error:
            raise RuntimeError(error)
        self.driver.set_script_timeout(seconds)
        self.command("notebook:run-all-cells")
        wait("the kernel", lambda: self.status() == "idle", seconds)

    def save(self) -> None:
        """Save the notebook, as Control and S does."""
        self.command("docmanager:save")

    def close(self) -> None:
        """Shut the notebook's kernel down and close its tab; what is not saved is lost."""
        script = """const done = arguments[0], panel = window.jupyterapp.shell.currentWidget;
            panel.sessionContext.shutdown().then(() => panel.context.revert())
                .then(() => window.jupyterapp.commands.execute('application:close'))
                .then(() => done(''), error => done(String(error)));"""
        error = self.driver.execute_async_script(script)
        if error:
            raise RuntimeError(error)


def errors_in(cells: list[dict[str, Any]]) -> list[str]:
    """The error outputs of cells."""
    return [
        f"{cell['source'][:60]!r}: {output['ename']}: {output['evalue']}"
        for cell in cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "error"
    ]
