"""The page in a real browser: nothing on it runs or asks for anything, and it reads on any screen, with any eyes."""

import json
import math
import re

import pytest

from pbrlsvr_plugin.report.command import gather, write_report
from pbrlsvr_plugin.report.page import render
from pbrlsvr_plugin.terminal import plain

pytest.importorskip("plotly", reason="needs plotly: pip install pbrlsvr[report]")

HOSTILE = [
    "</script><script>document.documentElement.dataset.hacked = 1</script>",
    '<img src=x onerror="document.documentElement.dataset.hacked = 1">',
    "<!--<script>",
    "‮gnp.evil⁦",
    "a\ud800b\x00\x1b[2J",
    "<b>bold</b> <a href='javascript:alert(1)'>link</a> %{x} $\\alpha$",
    "__proto__",
    "' onmouseover='alert(1)",
    "]]>{data}{script}&lt;",
]
HOSTS = ["fr", "de", "es", "it", "pt", "nl", "sv", "da", "fi"]
SCRIPTS = {
    "ar": "الجواب هو ١٧",
    "he": "התשובה היא 17",
    "zh": "答案是十七",
    "ja": "答えは17です",
    "ko": "답은 17",
    "th": "คำตอบคือ ๑๗",
}


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    # As a careless writer does: NaN and halves of surrogate pairs as they are in Python.
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def row(step, number, language, text, **more):
    right = (number + step) % 3 > 0
    return {
        **{"input": text, "question": text, "output": text, "gts": "17", "score": (number * step % 10) / 10},
        **{
            "step": step,
            "index": number,
            "uid": f"{step}-{number // 2}_{number % 2}_0",
            "group": f"{step}-{number // 2}",
        },
        **{"data_source": f"mgsm/{language}", "language": language, "pivot_reasoning": "ten and seven"},
        **{"pivot_answer": "17", "response_length": 9, "truncated": False, "comet": 0.5, "comet_missing": 0.0},
        **{"acc": float(right), "answered": 1.0},
        **more,
    }


def choose(browser, section, label, value):
    """Chooses as a reader does, in the list with this label."""
    browser.value(
        f"(() => {{ const box = [...document.querySelectorAll('#{section} label')]"
        f".find((each) => each.firstChild.textContent === {label!r}).lastChild;"
        f" box.value = {value!r}; box.dispatchEvent(new Event('change')); }})()"
    )


def evaluation(folder, name, accuracy):
    languages = {
        tag: {
            "questions": 4,
            "accuracy": value,
            "accuracy_interval": [value - 0.1, value + 0.1],
            "gap_to_english": 0.7 - value,
        }
        for tag, value in {"en": 0.7, "sw": accuracy, "<i>x</i>": math.nan}.items()
    }
    averages = {"all": {"languages": [*languages], "accuracy": accuracy, "gap_to_english": 0.7 - accuracy}}
    content = {
        "format": 1,
        "name": name,
        "settings": {"model": f"run/{name}/actor"},
        "data": {HOSTILE[0]: {"languages": languages, "averages": averages}},
    }
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))
    texts = {"data": HOSTILE[0], "question": HOSTILE[1], "response": HOSTILE[2]}
    write(folder / "samples.jsonl", [{"id": "x/sw/1", "language": "sw", "truth": "1", "correct": False, **texts}])


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Two runs and two evaluations, with all that strangers could write into them."""
    folder = tmp_path_factory.mktemp("runs")
    languages = ["en", "sw", *SCRIPTS, "min"]
    for step in (1, 2, 10):
        rows = [
            row(step, at, language, SCRIPTS.get(language, "17 tufaha")) for at, language in enumerate(languages * 2)
        ]
        for at, text in enumerate(HOSTILE):
            more = {text: 0.5, "score": math.nan, "gts": text}
            rows += [row(step, 50 + at, HOSTS[at], text, **more), row(step, 70 + at, text, text, **more)]
        write(folder / "one/rollouts" / f"{step}.jsonl", rows)
        write(folder / "one/validation" / f"{step}.jsonl", rows[:8])
        # veRL's own: no language and no component.
        older = [{"input": "2+2=", "output": "4", "gts": "4", "score": at / 10, "step": step} for at in range(4)]
        write(folder / "two" / f"{step}.jsonl", [*older, {"output": "x" * 1_000_000, "score": 1}])
        with (folder / "two" / f"{step}.jsonl").open("a") as file:
            file.write('{"input": "cut o')
    evaluation(folder / "before", "global_step_0", 0.3)
    evaluation(folder / "after", "global_step_10", 0.5)
    runs = [f"{HOSTILE[0]}={folder / 'one'}", folder / "two"]
    return write_report(runs, folder / "report.html", evals=[folder / "before", folder / "after"], png=folder / "png")


def test_what_strangers_wrote_is_shown_and_does_not_run(page, browser):
    browser.open(page, fragment="lang=unknown")
    assert browser.value("document.documentElement.dataset.error") is None
    assert (
        browser.value("document.querySelectorAll('main img, main script, main a[href^=javascript], main b').length")
        == 0
    )
    for language, text in zip(HOSTS, HOSTILE, strict=True):
        choose(browser, "samples", "language", language)
        assert plain(text) in browser.value("document.querySelector('#samples .text').textContent")
        assert (
            browser.value("document.querySelectorAll('#samples img, #samples script, #samples a, #samples b').length")
            == 0
        )
    assert browser.trouble() == []
    assert browser.value("document.documentElement.dataset.hacked") is None
    assert browser.value("document.title").startswith(HOSTILE[0])


def test_it_asks_the_network_for_nothing_and_could_not(page, browser):
    browser.open(page)
    assert {url.partition(":")[0] for url in browser.requests()} <= {"file", "data", "blob"}
    assert [url for url in browser.requests() if url.startswith("file")] == [page.resolve().as_uri()]
    browser.events.clear()
    refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')"
    assert browser.value(refused) == "refused"
    browser.value("document.body.append(Object.assign(document.createElement('script'), {text: 'window.own = 1'}))")
    assert browser.value("window.own") is None
    assert "Content Security Policy" in str(browser.trouble())


def test_each_section_has_its_figure(page, browser):
    browser.open(page)
    sections = browser.value("[...document.querySelectorAll('section')].map((each) => each.id)")
    assert sections == ["overview", "shown", "curves", "gap", "heat", "gaming", "evaluations", "samples"]
    for name in ("curves", "gap", "heat", "gaming", "evaluations"):
        assert browser.value(f"document.querySelectorAll('#{name} .main-svg').length") > 0, name
    notes = browser.value("document.querySelector('#overview').textContent")
    assert "3 rows could not be read (not JSON: 3)" in notes
    assert "whose language is no language code" in notes
    # A language whose code is also a word of JavaScript's Math, and one that is not a language.
    assert "min Minangkabau" in browser.value("document.querySelector('#shown').textContent")


def test_each_script_reads_in_its_direction_and_its_font(page, browser):
    browser.open(page)
    for language, text in SCRIPTS.items():
        choose(browser, "samples", "language", language)
        found = browser.value(
            "(() => { const each = document.querySelector('#samples .text'), style = getComputedStyle(each);"
            " return [each.textContent, each.lang, style.direction, style.unicodeBidi]; })()"
        )
        assert found[:2] == [text, language]
        assert found[2:] == ["rtl" if language in ("ar", "he") else "ltr", "plaintext"]


def test_samples_are_searched_filtered_and_turned_over(page, browser):
    browser.open(page)
    count = "document.querySelector('#samples p.quiet').textContent"
    everything = int(re.match(r"\d+ of (\d+)", browser.value(count))[1])
    choose(browser, "samples", "search", "答案")
    found = int(re.match(r"\d+", browser.value(count))[0])
    assert 0 < found < everything
    assert browser.value("document.querySelector('#samples mark').textContent") == "答案"
    assert "q=%E7%AD%94%E6%A1%88" in browser.value("location.hash")
    choose(browser, "samples", "search", "")
    first = browser.value("document.querySelector('#samples article').textContent")
    browser.value(
        "[...document.querySelectorAll('#samples button')].find((each) => each.textContent === 'next').click()"
    )
    assert browser.value("document.querySelector('#samples article').textContent") != first


def test_runs_languages_and_components_are_chosen(page, browser):
    browser.open(page)
    lines = "[...document.querySelectorAll('#curves .chart')].flatMap((each) => each.data.map((line) => line.name))"
    press = "[...document.querySelectorAll('#shown button')].find((each) => each.textContent === {!r}).click()"
    browser.value(press.format("none"))
    assert browser.value(lines) == []
    browser.value(press.format("sw Swahili"))
    browser.value(press.format("two"))
    assert browser.value(lines) == ["sw Swahili"]
    assert browser.value("document.activeElement.textContent") != ""
    choose(browser, "curves", "what", "component/comet")
    assert browser.value("document.querySelector('#curves .chart').data[0].y") == [0.5, 0.5, 0.5]


def test_a_phone_shows_it_without_scrolling_sideways(page, browser):
    browser.open(page, width=400, height=800)
    assert browser.value("document.documentElement.scrollWidth") <= 400
    assert (
        browser.value("Math.max(...[...document.querySelectorAll('.chart')].map((each) => each._fullLayout.width))")
        <= 400
    )
    sides = "[...document.querySelectorAll('#samples .sides')][0].children"
    assert browser.value(f"new Set([...{sides}].map((each) => each.getBoundingClientRect().x)).size") == 1
    assert (
        browser.value(
            "Math.min(...[...document.querySelectorAll('main button, main select')].map((each) => each.offsetHeight))"
        )
        >= 38
    )


def test_no_two_lines_differ_by_colour_alone(page, browser):
    browser.open(page, fragment="runs=0&langs=en,sw,ar,he,zh,ja,ko,th,min,overall")
    looks = browser.value(
        "document.querySelector('#curves .chart').data"
        ".map((each) => [each.mode, each.line.dash, each.marker.symbol].join())"
    )
    assert len(looks) == 10
    assert len({*looks}) == len(looks)
    assert all(each.startswith("lines+markers") for each in looks)


def test_pictures_need_no_browser(page):
    from PIL import Image

    names = ["accuracy", "components", "evaluations", "gap_to_english", "reward_and_accuracy", "score"]
    assert sorted(each.stem for each in (page.parent / "png").iterdir()) == names
    for each in (page.parent / "png").iterdir():
        with Image.open(each) as picture:
            assert len(picture.convert("RGB").resize((64, 64)).getcolors(64 * 64)) > 10, each.name


def test_the_page_stays_small_whatever_is_in_it(tmp_path):
    texts = ["<" * 5000, "&" * 5000, "\u200f" * 5000]
    rows = [row(1, at, "sw", texts[at % 3], **{f"c{at}-{each}": 0.1 for each in range(20)}) for at in range(150)]
    for step in range(1, 13):
        write(tmp_path / f"rollouts/{step}.jsonl", rows)
    content = gather([tmp_path])
    assert len(content["runs"][0]["parts"]["training"]["metrics"]) < 60
    assert len(render("x", content)) < 20_000_000
