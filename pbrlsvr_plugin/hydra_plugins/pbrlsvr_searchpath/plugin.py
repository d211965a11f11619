"""What Hydra finds on its own in every application: our options and recipes, and a guard for the configs that name us.

Hydra executes this module also where nobody has heard of us, and dies of what it raises. So it imports Hydra (with
OmegaConf) and the standard library alone. The rest of pbrlsvr is imported when a composed config names it: an
installation that is broken then stops that config, with the cause and the fix, and leaves every other application
alone. Without the guard veRL would train on its own scorer without a word, because Hydra takes an option that it cannot
find for a plain key.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from functools import cache, wraps
from importlib import import_module, metadata
from inspect import signature
from pathlib import Path
from re import compile as regex
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

PROVIDER = "pbrlsvr"
OPTIONS, RECIPES = PACKAGES = ("pbrlsvr_plugin.config", "pbrlsvr_plugin.recipes")
OLDEST_HYDRA = (1, 3)
# What a module may raise that is imported: some end the process where something is missing.
BROKEN = (Exception, SystemExit)

# What a config calls us by: pkg://pbrlsvr, pkg://pbrlsvr_plugin/verl/x, pbrlsvr.hybrid; but not the file pbrlsvr.jsonl.
_OURS = regex(r"pkg://pbrlsvr(_plugin)?([./]\w+)*$|pbrlsvr(_plugin)?(\.[A-Za-z_]\w*)+$")
# Where a config that is missing is our matter: somebody asked for us, or composes on veRL's tree.
_OUR_MATTER = regex(r"\bverl\b|(?<!pkg://)(?<!provider=)\bpbrlsvr\b")
_REWARD_OPTION = "reward.custom_reward_function.reward_kwargs."
_FILE = regex(
    r"pbrlsvr[\w.]*\.(parquet|jsonl?|ya?ml|toml|csv|tsv|txt|md|log|zst|gz|zip|tar|db|sqlite|pt|bin|png|html)$"
)


class PbrlsvrSearchPathPlugin(SearchPathPlugin):
    """Makes `reward_fn/pbrlsvr.*.yaml`, `profile/*.yaml` and the recipes visible to any Hydra application."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for package in PACKAGES:
            if _importable(package):
                search_path.append(provider=PROVIDER, path=f"pkg://{package}")
        try:
            look_after_composition()
        except Exception as error:  # a Hydra that is built otherwise; `verl/entry.py` says so where veRL runs
            if any("pbrlsvr" in argument for argument in sys.argv[1:]):
                raise SystemExit(explain(error, " ".join(sys.argv[1:]))) from error


def look_after_composition() -> None:
    """Change how this process's Hydra composes. Calling it again changes nothing."""
    # `${pbrlsvr.sum:a,b}` in our recipes: what is a sum of other values follows them, where those are overridden too.
    OmegaConf.register_new_resolver("pbrlsvr.sum", lambda *terms: sum(map(int, terms)), replace=True)
    _look_here_last()
    _guard_composition()


def _importable(package: str) -> bool:
    try:
        import_module(package)
    except BROKEN:
        return False
    return True


def _look_here_last() -> None:
    """Let each of the user's folders win over ours: Hydra puts what plug-ins add before `--config-dir`."""
    from hydra._internal.config_repository import ConfigRepository

    # Hydra has no public hook after the command line's folders have joined the path.
    initialize = ConfigRepository.initialize_sources
    if getattr(initialize, "_is_pbrlsvrs", False):
        return

    @wraps(initialize)
    def initialize_sources(self: ConfigRepository, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        # Hydra's own schema source must stay the last of all.
        *sources, schema = self.sources
        self.sources = [*sorted(sources, key=lambda source: source.provider == PROVIDER), schema]

    initialize_sources._is_pbrlsvrs = True  # type: ignore[attr-defined]
    ConfigRepository.initialize_sources = initialize_sources  # type: ignore[method-assign]


def _guard_composition() -> None:
    """Pass every config that names us through `reward_option.apply_choice`, or stop where that fails."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.errors import ConfigCompositionException, MissingConfigException

    # Hydra has no public hook between composition and use: its callbacks must be named by the config itself.
    compose = ConfigLoaderImpl.load_configuration
    if getattr(compose, "_is_pbrlsvrs", False):
        return

    @wraps(compose)
    def load_configuration(self: ConfigLoaderImpl, *args: Any, **kwargs: Any) -> Any:
        try:
            config = compose(self, *args, **kwargs)
        except MissingConfigException as error:
            search_path = [str(entry.path) for entry in self.config_search_path.get_path()]
            cause = _what_is_broken() if _OUR_MATTER.search(f"{args} {kwargs} {error} {search_path}") else None
            if cause is None:
                raise
            raise type(error)(f"{error}\n{explain(cause)}", error.missing_cfg_file, error.options) from cause
        except ConfigCompositionException as error:
            config = _with_options_in_no_file(compose, error, self, *args, **kwargs)
        if ours := next(iter(mentions(config)), None):
            _apply_choice(config, ours)
        # Not for `hydra.compose`: to look at a config one needs no account.
        if kwargs.get("from_shell", True) and _logs_to_comet(config):
            _require_comet()
        return config

    load_configuration._is_pbrlsvrs = True  # type: ignore[attr-defined]
    ConfigLoaderImpl.load_configuration = load_configuration  # type: ignore[method-assign]


def _with_options_in_no_file(compose: Any, refused: Exception, *args: Any, **kwargs: Any) -> Any:
    """The config with `++` before the options of a reward, where `refused` came of a config that has one of ours: Hydra
    lets nobody set what no file shows, such as `guards.length.max`. The option classes then say what does not exist."""
    call = signature(compose).bind(*args, **kwargs)
    said = call.arguments["overrides"]
    call.arguments["overrides"] = [f"++{each}" if each.startswith(_REWARD_OPTION) else each for each in said]
    if call.arguments["overrides"] == said:
        raise refused
    try:
        config = compose(*call.args, **call.kwargs)
    except Exception:
        raise refused from None
    if not any(mentions(config)):
        raise refused
    return config


def mentions(config: Any) -> Iterator[str]:
    """Where a config names us, as `key: value`, unresolved; of a veRL config also what stands for our options."""
    if not OmegaConf.is_dict(config):
        return
    for place, value in texts(OmegaConf.to_container(config, resolve=False)):
        if _OURS.match(value) and not _FILE.match(value) and not place.startswith("hydra.runtime."):
            yield f"{place}: {value}"
    target = OmegaConf.select(config, "reward.custom_reward_function", throw_on_resolution_failure=False)
    if not OmegaConf.is_dict(target):
        return
    path = OmegaConf.select(target, "path", throw_on_resolution_failure=False)
    chosen = config._get_node("reward_fn", validate_access=False)
    if chosen is not None and (path is None or ":" in str(chosen)):
        yield "reward_fn"  # ours, or one of the user's own that is checked as ours are
    if isinstance(path, str) and _OURS.match(path):
        yield f"reward.custom_reward_function.path: {path}"
    if OmegaConf.select(config, "profile", throw_on_resolution_failure=False) in ("cpu", "cpu_sft"):
        yield "profile"  # where the option is applied, no key of that name is left


def texts(node: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Place and value of each text in a config, as `trainer.logger.0`."""
    if isinstance(node, str):
        yield place, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from texts(value, f"{place}.{key}" if place else str(key))


def _apply_choice(config: Any, ours: str) -> None:
    # Hydra prints this kind as one message instead of a traceback through its own frames.
    from hydra.errors import ConfigCompositionException

    try:
        _require_hydra()
        from pbrlsvr.errors import ConfigError
        from pbrlsvr_plugin.verl.reward_option import apply_choice
    except BROKEN as error:
        raise ConfigCompositionException(explain(error, ours)) from error
    try:
        apply_choice(config)
    except ConfigError as error:
        raise ConfigCompositionException(f"pbrlsvr: {error}") from error
    except BROKEN as error:
        raise ConfigCompositionException(explain(error, ours)) from error


def _logs_to_comet(config: Any) -> bool:
    loggers = OmegaConf.select(config, "trainer.logger", throw_on_resolution_failure=False)
    return "comet" in ([loggers] if isinstance(loggers, str) else loggers or [])


def _require_comet() -> None:
    """What would stop the run when its workers are up, minutes later."""
    from hydra.errors import ConfigCompositionException

    from pbrlsvr.errors import ConfigError
    from pbrlsvr_plugin.verl.tracking import require

    try:
        require()
    except ConfigError as error:
        raise ConfigCompositionException(f"pbrlsvr: {error}") from error


def _require_hydra() -> None:
    from hydra import __version__

    if tuple(int(part) for part in __version__.split(".")[:2] if part.isdigit()) < OLDEST_HYDRA:
        raise ImportError(f"hydra-core {__version__} is too old; it takes 1.3", name="hydra")


def _what_is_broken() -> BaseException | None:
    try:
        _require_hydra()
        for package in PACKAGES:
            import_module(package)
        import_module("pbrlsvr_plugin.verl.reward_option").require_rewards()
        files = metadata.distribution("pbrlsvr").files or []
        if missing := [str(file) for file in files if not Path(str(file.locate())).exists()]:
            raise FileNotFoundError(f"the installation lacks {missing[:3]} ({len(missing)} files in all)")
    except BROKEN as error:
        return error
    return None


def explain(error: BaseException, ours: str = "") -> str:
    """What is wrong with an installation that `error` came out of, and what to do."""
    named = f"The config names it ({ours}), so it cannot run. " if ours else ""
    return (
        f"pbrlsvr is installed here, but broken: {type(error).__name__}: {error}\n"
        f"{named}Fix: {_fix(error)}; `pbrlsvr doctor` lists what is wrong."
    )


def _fix(error: BaseException) -> str:
    if hidden_by := _hidden_by():
        return f"run in another folder, or rename {hidden_by!r}, which Python finds there first"
    while error.__cause__ is not None:
        error = error.__cause__
    installed = _installed()
    name = str(getattr(error, "name", None) or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        how = "pip install"
    else:
        how = "pip install --force-reinstall"
        # The last package that ran is the one that is damaged; of a SyntaxError, the one whose file it is.
        frames = traceback.extract_tb(error.__traceback__)
        name = name or _package_of(str(getattr(error, "filename", None) or (frames[-1].filename if frames else "")))
    if name == "hydra":
        return "pip install 'hydra-core>=1.3,<1.4'"
    if name.startswith("pbrlsvr") or (name not in installed and not isinstance(error, ModuleNotFoundError)):
        return "pip install --force-reinstall --no-deps pbrlsvr"
    return f"{how} {installed.get(name, [name])[0]}"


def _hidden_by() -> str:
    """The file or folder that Python takes for us and is not: one of our names where the run was started."""
    for name, part in (("pbrlsvr", "errors.py"), ("pbrlsvr_plugin", "cli.py")):
        module = sys.modules.get(name)
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
        file = Path(place)
        if place and not (file.name == "__init__.py" and file.with_name(part).exists()):
            return str(file)
    return ""


@cache
def _installed() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _package_of(file: str) -> str:
    """The importable package or module that a file belongs to."""
    folders = [Path(entry) for entry in sys.path if entry and Path(file).is_relative_to(entry)]
    deepest = max(folders, key=lambda folder: len(folder.parts), default=None)
    return Path(file).relative_to(deepest).parts[0].removesuffix(".py") if deepest else ""
