"""Models in this process: vLLM on GPUs, transformers for small models. Imported when they are used.

A thinking budget is kept by stopping: a response that still thinks after `thinking_tokens` gets a `</think>`, and goes
on with its answer (budget forcing, Muennighoff et al. 2025, https://arxiv.org/abs/2501.19393).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from pbrlsvr.errors import MissingDependencyError, ModelError
from pbrlsvr.models.files import check_model, clip
from pbrlsvr_plugin.evaluate.settings import Settings

END_OF_THINKING = "\n</think>\n\n"
#: Prompts that vLLM gets at once: the answers of a group are kept when it is done.
_GROUP = 2_048


@dataclass(frozen=True)
class Request:
    """What is asked."""

    key: str
    messages: Sequence[Mapping[str, str]]
    #: None at temperature 0.
    seed: int | None


@dataclass
class _Text:
    """A prompt as text, and the response so far."""

    request: Request
    prompt: str
    response: str = ""
    tokens: int = 0
    finish_reason: str = ""

    def answer(self) -> dict[str, Any]:
        return {"text": self.response, "thinking": "", "finish_reason": self.finish_reason,
                "usage": {"completion_tokens": self.tokens}}  # fmt: skip


class Backend:
    """A model that answers requests: what both have in common, the prompt as text, and the thinking budget."""

    def __init__(self, settings: Settings, tokenizer: Any):
        self._settings, self._tokenizer = settings, tokenizer
        #: Why requests have no answer.
        self.refused: list[str] = []
        #: Tokens of a prompt and its response together, at most.
        self._longest: int | None = None

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and answer of each, in any order, as they come; without those in `refused`."""
        raise NotImplementedError

    def _answers(self, texts: list[_Text]) -> Iterator[tuple[str, dict[str, Any]]]:
        self._respond(texts)
        yield from ((text.request.key, text.answer()) for text in texts)

    def _texts(self, requests: Sequence[Request]) -> list[_Text]:
        texts = [_Text(request, self._prompt(request.messages)) for request in requests]
        return [text for text in texts if self._fits(text)]

    def _fits(self, text: _Text) -> bool:
        # A character is a token at most, or a few bytes of them: most prompts are not looked at.
        if self._longest is None or 4 * len(text.prompt) < self._longest:
            return True
        tokens = len(self._tokenizer.encode(text.prompt, add_special_tokens=False))
        if tokens < self._longest:
            return True
        self.refused.append(f"a prompt has {tokens:,} tokens, and the model takes {self._longest:,} in all")
        return False

    def _prompt(self, messages: Sequence[Mapping[str, str]]) -> str:
        if not getattr(self._tokenizer, "chat_template", None):
            return "\n\n".join(message["content"] for message in messages) + "\n"
        try:
            prompt: str = self._tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                add_generation_prompt=True,
                tokenize=False,
                **self._settings.template(),
            )
        except Exception as error:  # the template is the model's own program
            raise ModelError(f"the chat template of {self._settings.model!r} fails: {clip(error)}") from error
        return prompt

    def _respond(self, texts: list[_Text]) -> None:
        budget = self._settings.thinking_tokens
        if budget is None:
            self._generate(texts, self._settings.max_tokens)
            return
        self._generate(texts, budget)
        unfinished = [text for text in texts if text.finish_reason == "length"]
        for text in unfinished:
            thinks = "<think>" in text.response or text.prompt.rstrip().endswith("<think>")
            if thinks and "</think>" not in text.response:
                text.response += END_OF_THINKING
        if unfinished:
            self._generate(unfinished, self._settings.max_tokens)

    def _generate(self, texts: list[_Text], max_tokens: int) -> None:
        """Goes on with each response, by so many tokens at most."""
        raise NotImplementedError


class Vllm(Backend):
    """vLLM. `engine` are the arguments of `vllm.LLM`, such as tensor_parallel_size."""

    def __init__(self, settings: Settings):
        _require("vllm", settings.backend)
        check_model(settings.model, settings.revision)
        from vllm import LLM

        engine = {"model": settings.model, "revision": settings.revision, "trust_remote_code": False}
        self._llm = LLM(**{**engine, **settings.engine})
        super().__init__(settings, self._llm.get_tokenizer())
        # One prompt that is too long would end the whole group with an error.
        self._longest = self._llm.llm_engine.model_config.max_model_len

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[str, dict[str, Any]]]:
        for first in range(0, len(requests), _GROUP):
            yield from self._answers(self._texts(requests[first : first + _GROUP]))

    def _generate(self, texts: list[_Text], max_tokens: int) -> None:
        from vllm import SamplingParams

        settings = self._settings
        # As token ids: the template has written the special tokens already.
        prompts = [
            {"prompt_token_ids": self._tokenizer.encode(text.prompt + text.response, add_special_tokens=False)}
            for text in texts
        ]
        sampling = [
            SamplingParams(
                temperature=settings.temperature, top_p=settings.top_p, max_tokens=max_tokens, seed=text.request.seed
            )
            for text in texts
        ]
        for text, output in zip(texts, self._llm.generate(prompts, sampling, use_tqdm=False), strict=True):
            first = output.outputs[0]
            text.response += first.text
            text.tokens += len(first.token_ids)
            text.finish_reason = first.finish_reason or "stop"


class Transformers(Backend):
    """transformers, on a GPU where there is one."""

    def __init__(self, settings: Settings):
        _require("transformers", settings.backend)
        check_model(settings.model, settings.revision)
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            tokenizer = AutoTokenizer.from_pretrained(
                settings.model, revision=settings.revision, padding_side="left", trust_remote_code=False
            )
            model = AutoModelForCausalLM.from_pretrained(
                settings.model,
                revision=settings.revision,
                **{"dtype": "auto", **settings.engine, "trust_remote_code": False},
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"{settings.model!r} cannot be loaded with transformers: {type(error).__name__}: {clip(error)}. Give a "
                "folder with config.json, tokenizer and weights (`pbrlsvr export` makes one of a checkpoint), or a "
                "model of the hub"
            ) from error
        self._model = model.to(device).eval()
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        super().__init__(settings, tokenizer)
        stops = self._model.generation_config.eos_token_id
        self._stops = {*(stops if isinstance(stops, list) else [stops]), tokenizer.eos_token_id} - {None}

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[str, dict[str, Any]]]:
        # By length: less padding. The long ones first, so that a batch that does not fit shows at once.
        texts = sorted(self._texts(requests), key=lambda text: -len(text.prompt))
        size = self._settings.batch_size
        for first in range(0, len(texts), size):
            yield from self._answers(texts[first : first + size])

    def _generate(self, texts: list[_Text], max_tokens: int) -> None:
        import torch

        settings = self._settings
        prompts = [text.prompt + text.response for text in texts]
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = {name: inputs[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
        torch.manual_seed(texts[0].request.seed or 0)
        greedy = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        chance = {"do_sample": True, "temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}
        try:
            with torch.inference_mode():
                output = self._model.generate(
                    **inputs,
                    **(chance if settings.temperature else greedy),
                    max_new_tokens=max_tokens,
                    pad_token_id=self._tokenizer.pad_token_id,
                )
        except (RuntimeError, IndexError) as error:  # out of memory, or numbers that are no probabilities
            raise ModelError(
                f"{settings.model!r} fails with {len(texts)} prompts of up to {inputs['input_ids'].shape[1]:,} tokens: "
                f"{type(error).__name__}: {clip(error)}. If that is memory, give a smaller --batch-size than "
                f"{settings.batch_size}"
            ) from error
        for text, tokens in zip(texts, output[:, inputs["input_ids"].shape[1] :].tolist(), strict=True):
            end = next((place for place, token in enumerate(tokens) if token in self._stops), None)
            text.response += self._tokenizer.decode(tokens[:end], skip_special_tokens=True)
            text.tokens += len(tokens) if end is None else end + 1
            text.finish_reason = "length" if end is None else "stop"


def _require(package: str, backend: str) -> None:
    if find_spec(package) is None:
        raise MissingDependencyError(f"--backend {backend} needs {package!r}: pip install {package}")


def versions(backend: str) -> dict[str, str]:
    """The packages that decide the answers, where they are in this process."""
    packages = {"vllm": ("vllm", "torch", "transformers"), "transformers": ("transformers", "torch")}.get(backend, ())
    return {name: version(name) for name in packages if find_spec(name) is not None}


def choose(urls: Sequence[str]) -> str:
    """The back end where none is named: a server if there is an address, else vLLM on a GPU, else transformers."""
    if urls:
        return "endpoint"
    if find_spec("vllm") is not None and find_spec("torch") is not None:
        import torch

        if torch.cuda.is_available():
            return "vllm"
    return "transformers"
