"""A loaded COMET model: samples in, scores out. Which texts are encoded alone or together, and shared by whom.

A source, a translation and a reference that do not fit the encoder are cut into aligned segments. That is our choice,
since COMET itself cuts off what does not fit: each of the texts is cut at the same shares of its length, after a
sentence where one ends in reach, into as few segments as fit. The score of the whole is the mean of the segments'
scores, weighted by the translation's tokens. Texts that fit are not touched.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pbrlsvr.errors import DataError, ModelError
from pbrlsvr.models.comet.layers import xcomet_score
from pbrlsvr.models.comet.network import CometNetwork
from pbrlsvr.models.pieces import shares, split_to_fit
from pbrlsvr.serving.cache import MISSING, LruCache
from pbrlsvr.serving.token_budget import TokenBudget

# Sentence vectors of sources and references: some 20,000 of 1024 numbers.
_VECTORS_BYTES = 128 * 2**20

#: One sample: source, translation, and a reference or None.
Triple = tuple[str, str, str | None]
Joint = tuple[str, ...]

#: Cuts lie this much finer than what fits.
_GRAIN = 8


class CometModel:
    """Scores `(src, mt, ref)` or `(src, mt)`. Get it with `CometLoader.load`.

    Texts that samples share are encoded once: within a call, and for sources and references also across calls.
    """

    def __init__(self, network: CometNetwork, name: str, batch_tokens: int, cut_source: bool):
        self.network = network
        self.hparams = hparams = network.hparams
        self.batches = TokenBudget(batch_tokens, name)
        self._name = name
        self._vectors: LruCache[str, Tensor] = LruCache(_VECTORS_BYTES)
        self._ids: dict[str, list[int]] = {}
        encoder = network.encoder
        self._tokenizer = encoder.tokenizer
        self._cut_source = cut_source
        # How many texts share one input of the encoder, and the tokens of text that it holds.
        self._texts = len(hparams.input_segments) if hparams.joint else 1
        self._room = min(encoder.max_text, encoder.max_sequence - len(self._tokenizer.sequence(*[[]] * self._texts)))

    @property
    def needs_reference(self) -> bool:
        """Whether a sample without a reference cannot be scored."""
        if self.hparams.joint:
            return "src" not in self.hparams.input_segments
        return self.hparams.class_identifier == "regression_metric"

    @property
    def uses_reference(self) -> bool:
        """Whether a reference changes the score; where not, it is ignored, as in unbabel-comet."""
        if self.hparams.joint:
            return "ref" in self.hparams.input_segments
        return self.needs_reference

    @torch.inference_mode()
    def run(self, items: Sequence[tuple[str, ...]]) -> list[float]:
        """COMET's score of each `(src, mt, ref)` or `(src, mt)`, as the model gives it: no range is enforced.

        Raises:
            DataError: an item is not of that form, or lacks the reference that the model needs.
            ModelError: a score is not a finite number, or memory does not hold a single sample.
        """
        samples = [self._sample(item) for item in items]
        self._ids = {}
        self._tokenize({text for sample in samples for text in sample if text is not None})
        segmented = [self._segments(sample) for sample in samples]
        unique = list(dict.fromkeys(segment for segments in segmented for segment in segments))
        scores = dict(zip(unique, self._scores(unique), strict=True))
        return [self._mean(segments, [scores[segment] for segment in segments]) for segments in segmented]

    def _sample(self, item: tuple[str, ...]) -> Triple:
        if not isinstance(item, tuple) or len(item) not in (2, 3) or not all(isinstance(text, str) for text in item):
            raise DataError(f"a COMET sample is (src, mt, ref) or (src, mt), all of them texts; {item!r} is not")
        if len(item) == 2 and self.needs_reference:
            raise DataError(
                f"model {self._name!r} is a {self.hparams.class_identifier} and needs a reference, which {item!r} "
                "lacks; give (src, mt, ref), or take a reference-free model such as 'Unbabel/wmt20-comet-qe-da'"
            )
        # A lone surrogate, which a policy can produce, is nothing that a tokenizer takes.
        texts = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") for text in item]
        return texts[0], texts[1], texts[2] if len(item) == 3 and self.uses_reference else None

    def _tokenize(self, texts: set[str]) -> None:
        new = sorted(texts - self._ids.keys())
        self._ids.update(zip(new, self._tokenizer.ids(new), strict=True))

    def _fits(self, sample: Triple) -> bool:
        texts = {text for text in sample if text is not None}
        self._tokenize(texts)
        encoder = self.network.encoder
        if any(len(self._ids[text]) > encoder.max_text for text in texts):
            return False
        joints = self._joints(sample) if self.hparams.joint else []
        return all(len(self._sequence(joint)) <= encoder.max_sequence for joint in joints)

    def _segments(self, sample: Triple) -> list[Triple]:
        """The sample itself where it fits, else its segments in order; joined, they are the sample.

        Raises:
            ModelError: the encoder is too small for any text.
        """
        if self._fits(sample):
            return [sample]
        room, together = self._room, self._texts > 1
        grain = max(1, room // self._texts // _GRAIN)
        texts = [text for text in sample if text is not None]
        grains = [split_to_fit(text, self._tokenizer.fast, grain) if text else [] for text in texts]
        tokens = [sum(count for _, count in pieces) for pieces in grains]
        whole_source = not self._cut_source and tokens[0] <= (room // 2 if together else room)
        cut = tokens[1:] if whole_source else tokens
        fewest = -(-(sum(cut) if together else max(cut)) // room)
        for number in range(max(2, fewest), max(map(len, grains)) + 1):
            columns = [["".join(group) for group in shares(pieces, number)] for pieces in grains]
            if whole_source:
                columns[0] = [sample[0]] * number
            references: Sequence[str | None] = columns[2] if len(columns) > 2 else [None] * number
            segments = list(zip(columns[0], columns[1], references, strict=True))
            if all(map(self._fits, segments)):
                return segments
        raise ModelError(f"the encoder has room for {room} tokens, too few for any segment of {sample[1][:80]!r}")

    def _mean(self, segments: list[Triple], scores: list[float]) -> float:
        if len(segments) == 1:
            return scores[0]
        # A segment without translation, beside a source and a reference that have more to say, counts a little.
        weights = [max(len(self._ids[translation]), 1) for _, translation, _ in segments]
        return sum(weight * score for weight, score in zip(weights, scores, strict=True)) / sum(weights)

    def _scores(self, samples: list[Triple]) -> list[float]:
        if not samples:
            return []
        scores = self._joint_scores(samples) if self.hparams.joint else self._separate_scores(samples)
        for sample, finite, score in zip(samples, scores.isfinite().tolist(), scores.tolist(), strict=True):
            if not finite:
                raise ModelError(
                    f"model {self._name!r} gave {score!r} for the translation {sample[1][:80]!r}; with another dtype "
                    "than 'float32' try that"
                )
        return scores.tolist()

    # Models that encode each text alone

    def _separate_scores(self, samples: list[Triple]) -> Tensor:
        vectors = self._sentence_vectors(samples)
        source, translation = (torch.stack([vectors[str(sample[i])] for sample in samples]) for i in (0, 1))
        to_source = [translation * source, (translation - source).abs()]
        if not self.uses_reference:
            return self.network.estimate(torch.cat([translation, source, *to_source], dim=1))
        reference = torch.stack([vectors[str(sample[2])] for sample in samples])
        to_reference = [translation * reference, (translation - reference).abs()]
        return self.network.estimate(torch.cat([translation, reference, *to_reference, *to_source], dim=1))

    def _sentence_vectors(self, samples: list[Triple]) -> dict[str, Tensor]:
        shared = {text for source, _, reference in samples for text in (source, reference) if text is not None}
        texts = shared | {translation for _, translation, _ in samples}
        vectors = {text: kept for text in texts if (kept := self._vectors.get(text)) is not MISSING}
        # In the order of the text, so that the same call makes the same batches.
        new = sorted(texts - vectors.keys())
        sequences = [self._tokenizer.sequence(self._ids[text]) for text in new]
        encoded = self.batches.run(
            list(map(len, sequences)), lambda rows: self.network.encode([sequences[row] for row in rows])[0]
        )
        vectors |= zip(new, encoded, strict=True)
        # Not the translations: a policy's responses hardly ever come again.
        for text in shared & set(new):
            self._vectors.put(text, vectors[text].clone())  # a row alone would keep its whole batch in memory
        return vectors

    # Models that encode the texts of a sample together

    def _joints(self, sample: Triple) -> list[Joint]:
        """The inputs of the encoder for a sample; the translation comes first."""
        source, translation, reference = sample
        if "src" not in self.hparams.input_segments:
            return [(translation, str(reference))]
        if reference is None:
            return [(translation, source)]
        return [(translation, source), (translation, reference), (translation, source, reference)]

    def _sequence(self, joint: Joint) -> list[int]:
        # As in unbabel-comet, a "<pad>" that stands in a text is taken out of joint inputs.
        return self._tokenizer.sequence(
            *([i for i in self._ids[text] if i != self._tokenizer.pad_id] for text in joint)
        )

    def _joint_scores(self, samples: list[Triple]) -> Tensor:
        joints = [self._joints(sample) for sample in samples]
        unique = sorted({joint for group in joints for joint in group})
        sequences = [self._sequence(joint) for joint in unique]

        def forward(rows: list[int]) -> list[tuple[Tensor, Tensor | None]]:
            first = [len(self._sequence(unique[row][:1])) for row in rows]
            vectors, chances = self.network.encode([sequences[row] for row in rows], first)
            of_translation = [len(self._ids[unique[row][0]]) + 2 for row in rows]
            tags = [row[:length] for row, length in zip(chances, of_translation, strict=False)]
            return [(vector, tags[i] if tags else None) for i, vector in enumerate(vectors)]

        outputs = self.batches.run(list(map(len, sequences)), forward)
        plain = self.network.estimate(torch.stack([vector for vector, _ in outputs]))
        of_joint = {joint: (score, tags) for joint, score, (_, tags) in zip(unique, plain, outputs, strict=True)}
        scores = []
        for group in joints:
            estimates = torch.stack([of_joint[joint][0] for joint in group])
            tags = [chances for _, chances in (of_joint[joint] for joint in group) if chances is not None]
            scores.append(xcomet_score(estimates, tags, self.hparams.error_labels) if tags else estimates.mean())
        return torch.stack(scores)
