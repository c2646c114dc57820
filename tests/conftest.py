"""What several tests share: a browser that opens pages as a reader would."""

import gc
import os
import shutil

import pytest

LONG = ["test_notebooks", "test_cli", "test_hostile"]


def pytest_collection_modifyitems(items):
    """The longest files come first: of several workers none is left alone with one of them at the end."""
    items.sort(key=lambda item: item.path.stem not in LONG)


def pytest_collection_finish():
    """What was imported by then stays to the end: the garbage collector need not look at it, time and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _salt():
    """Tests hash with a salt of their own and leave none in the home of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLVBOOK_SALT", "the salt of the tests")
        yield


@pytest.fixture(scope="module")
def chromium():
    """Headless Chromium; where there is none a test is skipped, in CI it fails."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not path:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium. Hint: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def faults(chromium):
    """A function: path of a page -> what a reader would meet there, at a desk, in the dark, on a phone; [] is well."""

    def look(path):
        found = []
        for name, width, scheme in (("desk", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light")):
            view = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
            with chromium.new_context(**view) as context:
                met = heard(context.new_page(), path, width)
            with chromium.new_context(**view, bypass_csp=True) as context:  # the page's own policy keeps axe out
                met += barriers(context.new_page(), path)
            found += [f"{name}: {fault}" for fault in met]
        return found

    return look


def heard(page, path, width):
    """What the console says, what is asked for, whether the page is wider than its window."""
    found = []
    page.on("console", lambda said: found.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on("request", lambda asked: found.append(f"asks for {asked.url}"))
    page.goto(path.as_uri())
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        found.append(f"{wide} pixels wide")
    own = (f"asks for {path.as_uri()}", "asks for data:")
    return [fault for fault in found if not fault.startswith(own)]


def barriers(page, path):
    """What axe-core finds against WCAG 2.2 AA and good practice."""
    from axe_playwright_python.sync_playwright import Axe

    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    page.goto(path.as_uri())
    checked = Axe().run(page, options={"runOnly": {"type": "tag", "values": rules}}).response
    return [f"{fault['id']}: {node['html'][:200]}" for fault in checked["violations"] for node in fault["nodes"]]
