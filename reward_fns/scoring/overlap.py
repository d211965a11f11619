"""How many n-grams two texts of one language share: chrF and BLEU, through sacrebleu. No model.

Both are made for a candidate translation against one right translation. Of free reasoning they see wording, not
meaning: a right paraphrase scores low, a wrong number costs next to nothing.
"""

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from pbrlsvr.errors import ConfigError, DataError, MissingDependencyError

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU, CHRF

# sacrebleu's metric objects keep the references of the last call.
_lock = threading.Lock()


def chrf(text: str, reference: str, *, word_order: int = 0) -> float:
    """chrF2 of a text against one reference: character n-grams of 1 to 6, recall counted twice as much as precision.

    `F = (1 + 4) P R / (4 P + R)`, with P and R the mean shares of n-grams of the text that occur in the reference, and
    of the reference in the text. Spaces are dropped. `word_order=2` adds words and pairs of words: chrF++.

    The length trap: recall weighs more, so a text that says everything twice loses little (about a sixth), and one that
    says half loses half. Bound the length elsewhere (`pbrlsvr.scoring.guards`).

    Returns:
        A share in [0, 1]; sacrebleu's own figure is 100 times it. Two equal texts score 1.

    Raises:
        DataError: the reference is empty.
        ConfigError: `word_order` is negative.
        MissingDependencyError: sacrebleu is not installed.

    Source: Popović 2015, https://aclanthology.org/W15-3049; chrF++: Popović 2017, https://aclanthology.org/W17-4770.

    Example:
        >>> round(chrf("Ana has 11 apples.", "Ana has 12 apples."), 2)
        0.7
    """
    if not isinstance(word_order, int) or word_order < 0:
        raise ConfigError(f"word_order={word_order!r} must be 0 (chrF) or more; 2 is chrF++")
    return _share(_chrf(word_order), text, reference)


def bleu(text: str, reference: str) -> float:
    """BLEU of a text against one reference: words and runs of up to 4 words of the text that the reference has.

    `BLEU = min(1, e^(1 - r/c)) (p_1 p_2 p_3 p_4)^(1/4)`, with p_n the share of the text's n-grams that occur in the
    reference, c and r the lengths in words. As sacrebleu advises for one text at a time: tokenizer 13a, only the orders
    that the text is long enough for (`effective_order`), and p_n = 1 / (2^k n-grams) for the k-th order without a match
    (`exp` smoothing).

    The length trap: there is no recall, so of a long reference the brevity penalty alone sees what is missing, and a
    text longer than the reference loses precision. On one short sentence the smoothing decides much of the figure: BLEU
    is noisy there, chrF less so.

    Returns:
        A share in [0, 1]; sacrebleu's own figure is 100 times it. Two equal texts score 1.

    Raises:
        DataError: the reference is empty.
        MissingDependencyError: sacrebleu is not installed.

    Source: Papineni et al. 2002, https://aclanthology.org/P02-1040; Post 2018, https://aclanthology.org/W18-6319.

    Example:
        >>> round(bleu("Ana has 11 apples.", "Ana has 12 apples."), 2)
        0.3
    """
    return _share(_bleu(), text, reference)


def _share(metric: Any, text: str, reference: str) -> float:
    if not reference.strip():
        raise DataError(f"the reference is empty ({reference!r}); chrF and BLEU need an English text to compare with")
    if not text.strip():
        return 0.0
    with _lock:
        score = metric.sentence_score(text, [reference]).score
        _forget_texts(getattr(metric, "tokenizer", None))
    return min(max(float(score) / 100, 0.0), 1.0)


def _forget_texts(tokenizer: Any) -> None:
    """sacrebleu's tokenizers remember 65,536 texts, however long: in a server or a reward worker that is its memory."""
    for one in (tokenizer, getattr(tokenizer, "_post_tokenizer", None)):
        clear = getattr(vars(type(one)).get("__call__"), "cache_clear", None)
        if clear is not None:
            clear()


@cache
def _chrf(word_order: int) -> "CHRF":
    return _metrics().CHRF(word_order=word_order)


@cache
def _bleu() -> "BLEU":
    return _metrics().BLEU(tokenize="13a", effective_order=True, smooth_method="exp")


def _metrics() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingDependencyError(
            f"chrF and BLEU need sacrebleu; run `pip install 'pbrlsvr[mt]'` in the environment of every node ({error})"
        ) from error
    return metrics
