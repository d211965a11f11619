"""worlds.yaml, read and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from pbrlsvr.errors import ConfigError
from quickstart.settings import EncoderSettings, PolicySettings, Toy, WorldSettings

# Trainer, answers, and whether there is a reward.
_KINDS = {("rl", "known", True), ("rl", "majority", True), ("sft", "known", False)}
SIMILARITIES = ("embed_cosine", "mt_embed_cosine", "mt_chrf", "mt_bleu")
REFERENCES = ("own", "other", "both")
FILE = Path(__file__).with_name("worlds.yaml")


@dataclass(frozen=True)
class ScorerSettings:
    """Size of the COMET-style scorer, and of its training."""

    # Whether it learns statements and reasoning, too, on the world's encoder; else bare answers only, from nothing.
    texts: bool = False
    # From nothing.
    hidden_size: int = 64
    steps: int = 400
    batch: int = 128
    learning_rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class TranslatorSettings:
    """Size of the translator into English, and of its training."""

    hidden_size: int = 64
    layers: int = 2
    vocabulary: int = 400
    steps: int = 400
    batch: int = 64
    learning_rate: float = 5e-3
    seed: int = 0


@dataclass(frozen=True)
class PivotSettings:
    """A pivot that is a model, and how its references are written.

    Attributes:
        english: worked examples that it learns from.
        batch: of them in an update.
        steps: updates; fewer make it err more often.
        problems: how many of the training problems it is asked.
        verified: keep a problem if at least half of the candidates agree, and then one of those; otherwise a single
            candidate is each problem's reference.
        candidates: references that it writes for each problem, at temperature 1, for them to be verified.
    """

    english: int = 6000
    batch: int = 48
    steps: int = 800
    problems: int = 1000
    verified: bool = True
    candidates: int = 4


@dataclass(frozen=True)
class World:
    """Problems in many languages, and what is known of them in training.

    Attributes:
        toy: the problems, the policy and the encoder.
        base: the world whose policy and encoder these are: its own name, or that of another with the same problems.
        labels: whether rows have a ground truth; without one, the pivot's answer stands for it.
        pivot_wrong: the share of the problems whose pivot reference has a mistake, carried through to its answer.
        pivot: a model that writes the references, in the place of those that are right by construction.
        pivot_prompts: whether the pivot's language is trained, too.
        references: `own` takes the steps in the question's order, `other` in another one that is right, too, where
            there is one; `both` keeps the two for each problem.
    """

    toy: Toy
    base: str
    labels: bool = True
    pivot_wrong: float = 0.0
    pivot: PivotSettings | None = None
    pivot_prompts: bool = False
    references: str = "own"


@dataclass(frozen=True)
class Arm:
    """One way to train a policy.

    Attributes:
        reward: a reward of pbrlsvr, without `pbrlsvr.`; empty for SFT.
        trainer: `rl`, or `sft` on the pivot's references.
        answers: `known`, or `majority`: those that the policy before any training votes for.
        options: those of the reward, or of SFT (`sft.FineTuning`).
        verl: overrides of veRL's config.
        encoder: how much the encoder has learned, a name of `Config.encoders`; empty for the world's own.
        scorer: what the scorer has learned, a name of `Config.scorers`; empty for bare answers.
        calibrated: whether the encoder's cosine is calibrated, for each language, on solutions of further problems.
    """

    reward: str = ""
    trainer: str = "rl"
    answers: str = "known"
    options: Mapping[str, Any] = field(default_factory=dict)
    verl: Mapping[str, Any] = field(default_factory=dict)
    encoder: str = ""
    scorer: str = ""
    calibrated: bool = False

    @property
    def similarity(self) -> str:
        """How the reasoning is compared; empty if it is not."""
        own = self.options.get("similarity", "embed_cosine") if self.reward == "hybrid" else self.reward
        return str(own) if own in SIMILARITIES else ""

    @property
    def needs_encoder(self) -> bool:
        return self.similarity.endswith("embed_cosine")

    @property
    def needs_translator(self) -> bool:
        return self.similarity.startswith("mt_")

    @property
    def needs_scorer(self) -> bool:
        return self.reward in ("hybrid", "comet_score")

    def overrides(self) -> list[str]:
        """As veRL's command line takes them; an option may be one that the reward's YAML file does not show."""
        options = [
            f"++reward.custom_reward_function.reward_kwargs.{name}={_as_hydra(value)}"
            for name, value in _flat(self.options)
        ]
        return [*options, *(f"{name}={_as_hydra(value)}" for name, value in self.verl.items())]


@dataclass(frozen=True)
class Config:
    """What worlds.yaml says; see there."""

    steps: int
    problems: int
    seeds: tuple[int, ...]
    worlds: Mapping[str, World]
    encoders: Mapping[str, Mapping[str, Any]]
    scorers: Mapping[str, Mapping[str, Any]]
    translator: TranslatorSettings
    arms: Mapping[str, Arm]
    core: tuple[str, ...]

    def toy(self, world: str, arm: str, seed: int) -> Toy:
        """What an arm's policy and encoder are made of, in one world."""
        toy = _named(self.worlds, world, "world").toy
        strength = _named(self.arms, arm, "arm").encoder
        encoder = replace(toy.encoder, **_named(self.encoders, strength, "encoder")) if strength else toy.encoder
        return replace(toy, policy=replace(toy.policy, seed=seed), encoder=encoder)

    def scorer(self, name: str) -> ScorerSettings:
        """A scorer's settings; those of the default for an empty name."""
        place = f"scorer {name!r}"
        return _made(ScorerSettings, _named(self.scorers, name, "scorer"), place) if name else ScorerSettings()


def read(file: Path = FILE) -> Config:
    """The config of the worlds and the arms.

    Raises:
        ConfigError: a name is not known, or one is missing.
    """
    content: Any = OmegaConf.to_container(OmegaConf.load(file))
    config = Config(
        steps=content["steps"],
        problems=content["problems"],
        seeds=tuple(content["seeds"]),
        worlds=_worlds(content["worlds"]),
        encoders=content["encoders"],
        scorers=content["scorers"],
        translator=_made(TranslatorSettings, content["translator"], "translator"),
        arms={name: _made(Arm, values, f"arm {name!r}") for name, values in content["arms"].items()},
        core=tuple(content["core"]),
    )
    for name in config.core:
        _named(config.arms, name, "arm")
    for name, arm in config.arms.items():
        for world in config.worlds:
            config.toy(world, name, seed=0)
        if (arm.trainer, arm.answers, bool(arm.reward)) not in _KINDS:
            raise ConfigError(
                f"arm {name!r} has trainer {arm.trainer!r}, answers {arm.answers!r} and reward {arm.reward!r}; it is "
                "'rl' with a reward and answers 'known' or 'majority', or 'sft' with neither"
            )
        config.scorer(arm.scorer)
        for model, given, needed in (
            ("encoder", arm.encoder, arm.needs_encoder),
            ("scorer", arm.scorer, arm.needs_scorer),
            ("calibration", arm.calibrated, arm.needs_encoder),
        ):
            if given and not needed:
                raise ConfigError(f"arm {name!r} names the {model} {given!r}, but {arm.reward!r} has none")
    return config


def _worlds(content: Mapping[str, Mapping[str, Any]]) -> dict[str, World]:
    """A world has blocks of its own, or names the `base` that it has them from."""
    kinds = {"world": WorldSettings, "policy": PolicySettings, "encoder": EncoderSettings}
    found: dict[str, World] = {}
    for name, given in content.items():
        rest = {key: value for key, value in given.items() if key not in kinds}
        blocks = {key: _made(kind, given[key], f"{name}.{key}") for key, kind in kinds.items() if key in given}
        base = rest.pop("base", name)
        toy = Toy(**blocks) if base == name else _named(found, base, "world").toy
        if base != name and blocks:
            raise ConfigError(
                f"world {name!r} has the blocks of its base {base!r}, and none of its own: {list(blocks)}"
            )
        if "pivot" in rest:
            rest["pivot"] = _made(PivotSettings, rest["pivot"], f"{name}.pivot")
        if rest.get("references", "own") not in REFERENCES:
            raise ConfigError(f"world {name!r} has references: {rest['references']!r}; it is one of {REFERENCES}")
        found[name] = _made(World, rest | {"toy": toy, "base": base}, f"world {name!r}")
    return found


def _made(kind: Any, values: Mapping[str, Any], place: str) -> Any:
    known = [one.name for one in fields(kind)]
    if unknown := [name for name in values if name not in known]:
        raise ConfigError(f"{place} has {unknown[0]!r}, but its fields are {known}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _named(known: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise ConfigError(f"there is no {what} {name!r} in worlds.yaml; there are {list(known)}")
    return known[name]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", value))
    return found


def _as_hydra(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
