"""The HTML page: escaped, self-contained, and working in a browser without a network."""

import html.parser
import io
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from bench.report.gallery import galleries
from bench.report.literature import literature
from bench.report.load import load
from bench.report.quoted import load_quoted
from bench.report.tables import tables
from bench.report.writers.html import Picture, to_html
from tests.unit.report.sample_results import number, recon, result, usual
from tests.unit.report.test_build import write

HOSTILE = '<script>document.title="x"</script><img src=https://example.org/a onerror=alert(1)>"\'&</script><!--'
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
QUOTED = Path(__file__).parents[3] / "results" / "quoted"


def page(folder, extra=()):
    """Writes the page and what belongs to it, and returns its text."""
    made = list(tables([*usual(), *extra]))
    write(folder / "results", [recon(name, 20.0) for name in ("vqgan", "brics")])
    shown = galleries(load([folder / "results"]))
    for gallery in shown:
        for name, content in gallery.draw().items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
    (folder / "a.svg").write_bytes(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    shown_tables = [*made, *literature(load_quoted(QUOTED), "church")]
    text = to_html("A <b>title</b>", "Lead & co.", shown_tables, shown, [Picture("Rate and distortion", "a.svg")])
    (folder / "index.html").write_text(text, encoding="utf-8")
    return text


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


def test_everything_is_inside_or_beside_and_ids_are_unique(tmp_path):
    reader = read(page(tmp_path))
    beside = {link for link in reader.links if not link.startswith(("#", "data:"))}
    assert beside
    assert all((tmp_path / link).is_file() and not Path(link).is_absolute() for link in beside)
    assert len(reader.ids) == len(set(reader.ids))
    assert reader.tags.count("script") == 2
    targets = {link[1:] for link in reader.links if link.startswith("#")}
    assert targets <= set(reader.ids)


def test_hostile_names_stay_text(tmp_path):
    extra = [recon(HOSTILE, 1.0, title=HOSTILE, bits=1.0), recon("x", 1.0)]
    plain, hostile = read(page(tmp_path)), read(page(tmp_path, extra))
    assert hostile.tags.count("script") == plain.tags.count("script")
    assert hostile.tags.count("img") == plain.tags.count("img")
    labels = [entry["about"]["method"] for entry in json.loads(hostile.data)["results"]]
    assert HOSTILE in labels


def test_every_number_has_its_signature_and_provenance(tmp_path):
    text = page(tmp_path)
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
    folder = tmp_path_factory.mktemp("page")
    page(folder, extra)
    return folder / "index.html"


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
    assert tab.locator(".tiles figure:visible").count() == 2, "the original and vqgan"
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


def test_reconstructions_are_chosen_moved_and_zoomed_together(opened):
    tab = opened()
    view, other = tab.locator(".view").nth(1), tab.locator(".view").nth(2)
    view.scroll_into_view_if_needed()
    whole = view.screenshot(), other.screenshot()
    assert whole[0] != whole[1]
    tab.locator(".thumb").nth(3).click()
    chosen = view.screenshot(), other.screenshot()
    assert chosen[0] != whole[0]
    assert tab.locator("figcaption a").nth(1).get_attribute("href").endswith("-4.webp")
    tab.locator(".zoom").fill("4")
    near = view.screenshot(), other.screenshot()
    assert near[0] != chosen[0]
    assert near[1] != chosen[1]
    view.focus()
    tab.keyboard.press("ArrowRight")
    assert other.screenshot() != near[1]
    styles = [one.locator(".reconstruction").evaluate("e => getComputedStyle(e).transform") for one in (view, other)]
    moved = [[float(n) for n in re.findall(r"-?[\d.]+", style)] for style in styles]
    assert moved[0] == pytest.approx(moved[1], abs=1), "all tiles show the same place"
    tab.locator(".zoom").fill("1")
    view.dblclick()
    assert tab.locator(".zoom").input_value() == "2"


def differ(one, other):
    """Whether two screenshots differ in more than the rounding of their sizes."""
    pictures = [Image.open(io.BytesIO(png)).convert("L").resize((32, 32)) for png in (one, other)]
    arrays = [np.asarray(picture, np.float64) for picture in pictures]
    return np.abs(arrays[0] - arrays[1]).mean() > 2


def test_of_many_methods_the_first_are_shown_until_more_are_asked_for(browser, tmp_path):
    write(tmp_path / "results", [recon(f"jpeg:q={q}", 20.0) for q in range(12)])
    shown = galleries(load([tmp_path / "results"]))
    (tmp_path / "index.html").write_text(to_html("t", "l", [], shown), encoding="utf-8")
    tab = browser.new_page()
    tab.goto((tmp_path / "index.html").as_uri())
    assert tab.locator(".tiles figure:visible").count() == 9
    tab.locator("#filter").fill("q=11")
    assert tab.locator(".tiles figure:visible figcaption").all_inner_texts() == ["original", "jpeg:q=11"]
    tab.locator("#filter").fill("")
    tab.locator(".every").click()
    assert tab.locator(".tiles figure:visible").count() == 13
    tab.close()


def test_the_original_shows_through_and_a_difference_can_be_seen(opened):
    tab = opened()
    original, view = tab.locator(".view").nth(0), tab.locator(".view").nth(1)
    view.scroll_into_view_if_needed()
    before = view.screenshot()
    assert differ(before, original.screenshot())
    tab.locator(".share").fill("100")
    assert not differ(view.screenshot(), original.screenshot())
    tab.locator(".share").fill("0")
    assert view.screenshot() == before
    tab.locator(".difference").check()
    assert view.locator(".reconstruction").evaluate("e => getComputedStyle(e).mixBlendMode") == "difference"
    assert view.screenshot() != before


def test_the_page_opens_with_who_is_best_and_a_scatter_that_speaks(opened):
    tab = opened()
    assert tab.locator("main > section").first.get_attribute("class") == "summary"
    cards = {card.split("\n")[0]: card for card in tab.locator(".card").all_inner_texts()}
    assert list(cards) == ["Best by quality", "Best by rate"], "one row alone has a cost"
    assert "brics" in cards["Best by quality"]
    assert "vqgan" in cards["Best by rate"]
    tip = tab.locator("#tip")
    assert not tip.is_visible()
    dot = tab.locator('.dot[aria-label^="brics"]')
    dot.hover()
    assert tip.inner_text() == "brics: bits per pixel 1.28, PSNR 22.70 dB"
    tab.mouse.move(0, 0)
    assert not tip.is_visible()
    dot.focus()
    assert tip.is_visible()


def test_headings_stand_over_their_numbers_and_the_first_column_stays(opened):
    tab = opened()
    head = tab.locator("#photos-smoke-reconstruction thead .sort").nth(1)
    inside = (
        "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().right; }"
    )
    number = tab.locator("#photos-smoke-reconstruction tbody tr").nth(3).locator("td").first.locator(".number")
    assert abs(head.evaluate(inside) - number.evaluate("e => e.getBoundingClientRect().right")) < 6
    tab = opened(390)
    label = tab.locator("#photos-smoke-reconstruction tbody th").first
    before = label.bounding_box()["x"]
    tab.locator("#photos-smoke-reconstruction .scroll").evaluate("e => { e.scrollLeft = 200; }")
    assert tab.locator("#photos-smoke-reconstruction .scroll").evaluate("e => e.scrollLeft") > 50
    assert abs(label.bounding_box()["x"] - before) < 2


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
