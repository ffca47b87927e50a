"""The HTML page: escaped, self-contained, and working in a browser without a network."""

import html.parser
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from bench.report.quoted import literature, load_quoted
from bench.report.tables import tables
from bench.report.writers.html import Picture, Strip, to_html
from tests.unit.report.sample_results import number, recon, result, usual
from tests.unit.report.test_build import strip

HOSTILE = '<script>document.title="x"</script><img src=https://example.org/a onerror=alert(1)>"\'&</script><!--'
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
QUOTED = Path(__file__).parents[3] / "results" / "quoted"


def page(extra=()):
    made = list(tables([*usual(), *extra]))
    strips = [Strip("photos, smoke", name, 16, strip(shade)) for name, shade in (("vqgan", 64), ("brics", 32))]
    figure = Picture(
        "Rate and distortion", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    )
    return to_html(
        "A <b>title</b>", "Lead & co.", [*made, *literature(load_quoted(QUOTED), "church")], strips, [figure]
    )


class Reader(html.parser.HTMLParser):
    """Collects tags, attributes and the data block."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.data, self.ids, self._inside = [], [], "", [], False

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [given[name] for name in ("src", "href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        self._inside = given.get("type") == "application/json"

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.data += data


def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


def test_everything_is_inside_and_ids_are_unique():
    reader = read(page())
    assert all(link.startswith(("#", "data:")) for link in reader.links)
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.tags.count("script") == 2
    targets = {link[1:] for link in reader.links if link.startswith("#")}
    assert targets <= set(reader.ids)


def test_hostile_names_stay_text():
    plain, hostile = read(page()), read(page([recon(HOSTILE, 1.0, title=HOSTILE), recon("x", 1.0)]))
    assert hostile.tags.count("script") == plain.tags.count("script")
    assert hostile.tags.count("img") == plain.tags.count("img")
    labels = [entry["about"]["method"] for entry in json.loads(hostile.data)["results"]]
    assert HOSTILE in labels


def test_every_number_has_its_signature_and_provenance():
    text = page()
    data = json.loads(read(text).data)
    asked = set(re.findall(r'data-source="(\d+)"', text))
    assert asked == set(data["cells"])
    for sources in data["cells"].values():
        for source in sources:
            assert source["signature_id"] in data["signatures"]
            assert data["results"][source["result"]]["provenance"] in data["provenance"]


# In a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"], timeout=120_000)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    extra = [recon(HOSTILE, 1.0), result("many words", metrics=[number("psnr", 21.5)], provenance={"cpu": "abacus"})]
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page(extra), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, file):
    """Opens the page at a width; fails on console messages, script errors and network requests."""
    contexts, trouble = [], []

    def opening(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(120_000)  # a busy machine is no fault of the page
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: trouble.append(message.text))
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else trouble.append(r.url))
        tab.on("dialog", lambda dialog: trouble.append(dialog.message))
        tab.goto(file.as_uri())
        return tab

    yield opening
    for context in contexts:
        context.close()
    assert trouble == []


def column(tab, index):
    return tab.locator(f"#photos-smoke-comparison tbody tr:not([hidden]) > *:nth-child({index})").all_inner_texts()


def test_sorting_by_number_and_by_name_with_absent_numbers_last(opened):
    tab = opened()
    heads = tab.locator("#photos-smoke-comparison .sort")
    heads.nth(1).click()
    rising = [float(text.split()[0]) for text in column(tab, 2)]
    assert rising == sorted(rising)
    assert len(rising) == 6
    heads.nth(1).click()
    assert [float(text.split()[0]) for text in column(tab, 2)] == rising[::-1]
    assert tab.locator("#photos-smoke-comparison th").nth(1).get_attribute("aria-sort") == "descending"
    heads.nth(2).click()
    assert [text.startswith("–") for text in column(tab, 3)] == sorted(text.startswith("–") for text in column(tab, 3))
    heads.nth(0).click()
    assert column(tab, 1)[1] == "brics"


def test_filtering_by_words(opened):
    tab = opened()
    tab.locator("#filter").fill("Q vqg")
    assert column(tab, 1) == ["vqgan"]
    assert tab.locator(".pairs figure:visible").count() == 1
    tab.locator("#filter").fill("nothing of the kind")
    assert column(tab, 1) == []
    assert tab.locator("#photos-smoke-comparison .none").is_visible()
    tab.locator("#filter").fill("")
    assert len(column(tab, 1)) == 6


def test_the_panel_shows_provenance_and_is_used_with_the_keyboard_alone(opened):
    tab = opened()
    cell = tab.locator("tr", has_text="many words").first.locator(".number")
    cell.focus()
    tab.keyboard.press("Enter")
    panel = tab.locator("#panel")
    assert panel.is_visible()
    said = panel.inner_text()
    assert "21.5" in said
    assert "val#ab12" in said
    tab.get_by_text("Provenance", exact=True).click()
    assert "abacus" in panel.inner_text()
    tab.keyboard.press("Escape")
    assert not panel.is_visible()
    assert tab.evaluate("document.activeElement.className") == "number"


def test_reconstructions_have_a_slider_and_a_difference(opened):
    tab = opened()
    pair = tab.locator(".pair").first
    pair.locator("input").focus()
    before = pair.screenshot()
    for _ in range(20):
        tab.keyboard.press("ArrowRight")
    assert pair.evaluate("e => e.style.getPropertyValue('--at')") == "70%"
    moved = pair.screenshot()
    assert moved != before
    tab.locator(".image").select_option("5")
    assert pair.screenshot() != moved
    tab.locator(".difference").check()
    assert pair.locator(".reconstruction").evaluate("e => getComputedStyle(e).mixBlendMode") == "difference"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_and_has_both_themes(opened, width, scheme):
    tab = opened(width, scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) > 380) == (scheme == "light")
    folder = os.environ.get("BENCH_SCREENSHOTS")
    if folder:
        tab.screenshot(path=Path(folder) / f"page-{width}-{scheme}.png", full_page=True)
    tab.locator("#theme").click()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != paper


def test_the_page_prints_without_controls(opened):
    tab = opened()
    tab.emulate_media(media="print")
    assert not tab.locator("#filter").is_visible()
    assert tab.locator("#photos-smoke-comparison table").is_visible()
