"""`pbrlsvr report`: reads dumps and results, writes the page. Exit codes: 0; 2 for an error; 130 for Ctrl-C."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, DataError, PbrlsvrError
from pbrlsvr.languages import english_name, known_tag
from pbrlsvr_plugin.report.curves import MOST_VALUES, as_page, read_part
from pbrlsvr_plugin.report.evaluations import read_evaluation
from pbrlsvr_plugin.report.folders import find, folders
from pbrlsvr_plugin.report.page import render
from pbrlsvr_plugin.report.samples import shown
from pbrlsvr_plugin.terminal import say, say_error
from pbrlsvr_plugin.whole_file import require_writable, whole_file

FINE, ERROR, STOPPED = 0, 2, 130
#: Of all samples on a page: with plotly.js, 5 MB, and the curves a page stays below 20 MB.
SAMPLE_BYTES = 7_000_000


def run(runs: Sequence[str], out: Path, *, evals: Sequence[str] = (), png: Path | None = None) -> int:
    """`report` for the command line."""
    try:
        write_report(runs, out, evals=evals, png=png)
    except PbrlsvrError as error:
        say_error(error)
        return ERROR
    except KeyboardInterrupt:
        say("stopped; nothing was written", err=True)
        return STOPPED
    say(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB)")
    if png:
        say(f"written: {png}")
    return FINE


def write_report(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    evals: Sequence[str | Path] = (),
    png: str | Path | None = None,
    title: str | None = None,
) -> Path:
    """Write a page about runs and evaluations.

    Args:
        runs: folders of runs, each as `PATH` or `NAME=PATH`; see `folders`.
        out: the HTML file.
        evals: folders that `pbrlsvr eval --out` wrote, likewise.
        png: a folder for the same figures as pictures.
        title: of the page; default: the names of what is in it.

    Returns:
        `out`.

    Raises:
        ConfigError: a folder is not there or has none of the files, or `out` cannot be written.
        DataError: a file cannot be read.
        MissingDependencyError: plotly is not installed, or for pictures matplotlib.

    Example:
        >>> write_report(["grpo=runs/grpo", "sft=runs/sft"], "report.html")  # doctest: +SKIP
        PosixPath('report.html')
    """
    out = Path(out).expanduser()
    require_writable(out, "--out")
    content = gather(runs, evals)
    names = [each["name"] for each in (*content["runs"], *content["evals"])]
    page = render(shown(title or ", ".join(names), 200), content)
    try:
        with whole_file(out) as draft:
            draft.write_bytes(page)
    except OSError as error:
        raise ConfigError(f"--out {str(out)!r} cannot be written: {error}") from error
    if png is not None:
        from pbrlsvr_plugin.report.pictures import draw

        draw(content, Path(png).expanduser())
    return out


def gather(runs: Sequence[str | Path], evals: Sequence[str | Path] = ()) -> dict[str, Any]:
    """What the page shows: runs, evaluations, samples, the names of languages, and notes.

    Raises:
        ConfigError, DataError: see `write_report`.
    """
    if not runs and not evals:
        raise ConfigError("nothing to report on; give the folder of a run, or --eval with a result of `pbrlsvr eval`")
    found, results = find([*map(str, runs)]), folders([*map(str, evals)], "--eval")
    sources = sum(len(each.parts) for each in found) + len(results)
    share, values = SAMPLE_BYTES // sources, MOST_VALUES // sources
    samples: list[dict[str, Any]] = []
    shown_runs = []
    for each in found:
        parts = {}
        for part, files in each.parts.items():
            curves = read_part(files, share, warn=part == "training")
            if not curves.rows:
                raise DataError(f"RUN {each.name!r}: no row of its {len(files)} files ({files[0][1]}) could be read: "
                                f"{dict(curves.unread.most_common(3)) or 'they are empty'}")  # fmt: skip
            parts[part] = as_page(curves, values)
            where = each.name if len(each.parts) == 1 else f"{each.name}, {part}"
            samples += [{"from": shown(where), **sample} for sample in curves.samples]
        shown_runs.append({"name": shown(each.name), "parts": parts})
    evaluations = []
    for name, folder in results:
        evaluation, some = read_evaluation(name, folder, share)
        evaluations.append(evaluation)
        samples += [{"from": shown(name), **sample} for sample in some]
    return {
        "runs": shown_runs,
        "evals": evaluations,
        "samples": samples,
        "languages": _names(shown_runs, evaluations, samples),
    }


def _names(runs: Sequence[Any], evaluations: Sequence[Any], samples: Sequence[Any]) -> dict[str, str]:
    codes = {code for run in runs for part in run["parts"].values() for code in part["languages"]}
    codes |= {code for each in evaluations for data in each["data"].values() for code in data["languages"]}
    codes |= {sample["language"] for sample in samples}
    return {code: english_name(code) for code in sorted(codes) if known_tag(code)}
