"""What a world is made of, and how large: the quickstart's by default, the smallest one."""

from dataclasses import dataclass, field

from quickstart.world import LENGTHS, NAME


@dataclass(frozen=True)
class WorldSettings:
    """Which problems there are, in which languages, and how many of them."""

    # What stands before the language in a row's data_source.
    name: str = NAME
    # The first is the pivot.
    languages: tuple[str, ...] = ("en", "es", "de", "sw", "zh", "bn")
    # Those of the languages that are tested only.
    unseen: tuple[str, ...] = ()
    # Steps of a problem, drawn from these.
    lengths: tuple[int, ...] = LENGTHS
    # How many numbers there are to choose the answer from, drawn from these; by default there is no choice.
    options: tuple[int, ...] = ()
    # Problems for the policy's warm-up and its prompts; for the models of the reward; and to test on.
    train: int = 3000
    reward: int = 1500
    test: int = 300
    seed: int = 0
    # Tokens, at the most.
    vocabulary: int = 2000


@dataclass(frozen=True)
class PolicySettings:
    """Size of the policy, and of its warm-up."""

    hidden_size: int = 128
    layers: int = 3
    heads: int = 4
    # Worked examples: in English, in each other language, and in each with digits of its own, of which nothing is
    # learned from English.
    english: int = 20000
    other: int = 400
    other_digits: int = 800
    # Share of the examples outside English that spell out the reasoning.
    reasoned: float = 0.5
    # The last updates, in which the examples outside English are terse: all but a share of `spelled_out` leave out the
    # last steps or all of them.
    terse: int = 0
    spelled_out: float = 0.05
    steps: int = 1000
    # Examples in a batch: English, other languages, and single sums in each kind of digits.
    batch_english: int = 38
    batch_other: int = 26
    batch_sums: int = 20
    learning_rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class EncoderSettings:
    hidden_size: int = 96
    layers: int = 2
    heads: int = 4
    steps: int = 120
    batch: int = 64
    learning_rate: float = 2e-3
    # Inverse temperature of the contrastive loss.
    scale: float = 20.0
    # Of the solutions with a mistake that stand beside each right one, how many are used, 0 to 2.
    mistakes: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Toy:
    """A world with the policy and the encoder that are made for it."""

    world: WorldSettings = field(default_factory=WorldSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
