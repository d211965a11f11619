"""References without a server: an engine inside Ray Data, on as many nodes as the Ray cluster has.

The questions that the journal cannot answer go as a data set through `map_batches`, to actors that each hold one copy
of the model; each batch of answers goes into the journal as it comes back. So a run that is killed goes on from there.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from pbrlsvr.errors import MissingDependencyError, ModelError
from pbrlsvr.models.files import check_model
from pbrlsvr.serving.chat import split_thinking
from pbrlsvr_plugin.prepare.reference.options import ReferenceOptions
from pbrlsvr_plugin.prepare.requests.asking import chat_request, fill, is_empty, read_prompt, user_turn
from pbrlsvr_plugin.prepare.requests.cost import TOKENS, Cost
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.prepare.stage import Row

Batch = dict[str, Any]
#: Text, finish reason, tokens of the prompt, tokens of the answer.
Answer = tuple[str, str, int, int]


def _batch(keys: Any, answers: Sequence[Answer]) -> Batch:
    types = {"text": object, "finish_reason": object, **dict.fromkeys(TOKENS, np.int64)}
    columns = {name: np.array([answer[place] for answer in answers], types[name]) for place, name in enumerate(types)}
    return {"key": keys, **columns}


class VllmEngine:
    """vLLM in an actor. `engine_kwargs` are those of `vllm.LLM`."""

    def __init__(self, model: str, sampling: dict[str, Any], engine_kwargs: dict[str, Any], body: dict[str, Any]):
        from vllm import LLM

        check_model(model)
        self._llm = LLM(model=model, **engine_kwargs)
        self._sampling = sampling
        self._chat = {"chat_template_kwargs": body["chat_template_kwargs"]} if "chat_template_kwargs" in body else {}

    def __call__(self, batch: Batch) -> Batch:
        """{"key", "prompt", "seed"} -> {"key", "text", "finish_reason", "prompt_tokens", "completion_tokens"}"""
        from vllm import SamplingParams

        seeds = [int(seed) if seed >= 0 else None for seed in batch["seed"]]
        params = [SamplingParams(**self._sampling, seed=seed) for seed in seeds]
        messages = [user_turn(str(prompt)) for prompt in batch["prompt"]]
        outputs = self._llm.chat(messages, params, use_tqdm=False, **self._chat)
        answers = []
        for output in outputs:
            one = output.outputs[0]
            answers.append((one.text, one.finish_reason or "", len(output.prompt_token_ids or ()), len(one.token_ids)))
        return _batch(batch["key"], answers)


class TransformersEngine:
    """A transformers model in an actor, one question at a time, so that an answer depends on its question alone."""

    def __init__(self, model: str, sampling: dict[str, Any], engine_kwargs: dict[str, Any], body: dict[str, Any]):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        check_model(model)
        self._tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        self._model = AutoModelForCausalLM.from_pretrained(
            model, **{"trust_remote_code": False, **engine_kwargs}
        ).eval()
        self._sampling = sampling
        self._template = body.get("chat_template_kwargs", {})

    def __call__(self, batch: Batch) -> Batch:
        """As `VllmEngine`."""
        asked = zip(batch["prompt"], batch["seed"], strict=True)
        return _batch(batch["key"], [self._answer(str(prompt), int(seed)) for prompt, seed in asked])

    def _answer(self, prompt: str, seed: int) -> Answer:
        import torch

        inputs = self._inputs(prompt)
        temperature = self._sampling["temperature"]
        chance = {"do_sample": True, "temperature": temperature, "top_p": self._sampling["top_p"], "top_k": 0}
        torch.manual_seed(max(seed, 0))
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=self._sampling["max_tokens"],
                **(chance if temperature else {"do_sample": False}),
            )
        length = inputs["input_ids"].shape[1]
        new = output[0, length:]
        stops = self._model.generation_config.eos_token_id
        stops = stops if isinstance(stops, list) else [stops]
        ended = len(new) < self._sampling["max_tokens"] or int(new[-1]) in stops
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        return text, "stop" if ended else "length", length, len(new)

    def _inputs(self, prompt: str) -> Any:
        if self._tokenizer.chat_template is None:
            return self._tokenizer(prompt, return_tensors="pt").to(self._model.device)
        return self._tokenizer.apply_chat_template(
            user_turn(prompt),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
            **self._template,
        ).to(self._model.device)


ENGINES: dict[str, type] = {"vllm": VllmEngine, "transformers": TransformersEngine}


def require_engine(engine: str) -> None:
    """Raises a MissingDependencyError where the packages of an engine are not installed."""
    for package in ("ray", engine):
        if find_spec(package) is None:
            extra = "ray[data]" if package == "ray" else package
            raise MissingDependencyError(
                f"reference.engine={engine!r} needs {package!r}, which is not installed: pip install '{extra}'"
            )


class Offline:
    """Answers all questions of a stage on a Ray cluster, through the journal."""

    def __init__(self, options: ReferenceOptions, journal: Journal, seed: int):
        self._options, self._journal, self._seed = options, journal, seed
        self._prompt = read_prompt(options.prompt, "{question}")
        self.cost = Cost()

    def answers(self, row: Row) -> list[dict[str, Any]]:
        """The answers to a row's question that the journal has, one for each candidate at most. After `answer_all`."""
        found = []
        for candidate in range(self._options.candidates):
            request, answer = self._last(row, candidate)
            if answer is not None:
                found.append(answer)
                self.cost.add(request["key"], answer)
        return found

    def answer_all(self, rows: Iterable[Row]) -> int:
        """Asks for what the journal lacks, and again for what was cut off. Returns how many answers were written."""
        asked = 0
        for _ in range(self._options.attempts):
            count = self._run(self._missing(rows))
            asked += count
            if not count:
                break
        return asked

    def _last(self, row: Row, candidate: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """The last attempt at a candidate that was made or is due, and its answer."""
        for attempt in range(self._options.attempts):
            request = self._request(row, candidate, attempt)
            answer = self._journal.get(request["key"])
            if answer is not None and is_empty(answer, self._options.takes_thoughts):
                answer = None
            if answer is None or answer["finish_reason"] != "length":
                break
        return request, answer

    def _request(self, row: Row, candidate: int, attempt: int) -> dict[str, Any]:
        prompt = fill(self._prompt, question=row["english"])
        request = chat_request(self._options, prompt, self._seed, candidate, attempt)
        return {
            "key": request_key(self._options.engine, **request, engine_kwargs=self._options.engine_kwargs),
            "prompt": prompt,
            "seed": request.get("seed", -1),
        }

    def _missing(self, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
        seen: set[int] = set()
        for row in rows:
            for candidate in range(self._options.candidates):
                request, answer = self._last(row, candidate)
                key = hash(request["key"])
                if answer is None and key not in seen:
                    seen.add(key)
                    yield request

    def _run(self, requests: Iterator[dict[str, Any]]) -> int:
        import ray

        mine = not ray.is_initialized()
        if mine:
            ray.init(include_dashboard=False, log_to_driver=False)
        try:
            # A block of Ray is what an actor gets and gives back at once: as large as a batch, so that answers come
            # early.
            size = self._options.batch_size
            blocks = [ray.put(pa.Table.from_pylist(block)) for block in iter(lambda: list(islice(requests, size)), [])]
            return self._generate(blocks) if blocks else 0
        finally:
            if mine:
                ray.shutdown()

    def _generate(self, blocks: list[Any]) -> int:
        import ray

        options = self._options
        gpus = int(options.engine_kwargs.get("tensor_parallel_size", 1)) if options.engine == "vllm" else 0
        sampling = {"temperature": options.temperature, "top_p": options.top_p, "max_tokens": options.max_tokens}
        answers = ray.data.from_arrow_refs(blocks).map_batches(
            ENGINES[options.engine],
            fn_constructor_args=(options.model, sampling, options.engine_kwargs, options.body),
            batch_size=options.batch_size,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=options.replicas),
            num_gpus=gpus,
        )
        count = 0
        try:
            for batch in answers.iter_batches(batch_size=None, batch_format="pyarrow"):
                self._journal.put_many({each.pop("key"): _as_answer(each) for each in batch.to_pylist()})
                count += len(batch)
        except ray.exceptions.RayError as error:
            raise ModelError(
                f"the engine {options.engine!r} with model {options.model!r} failed: {_last_line(error)}. What was "
                "answered so far is kept"
            ) from error
        return count


def _as_answer(answer: dict[str, Any]) -> dict[str, Any]:
    thinking, text = split_thinking(answer["text"])
    usage = {name: int(answer[name]) for name in TOKENS}
    return {"text": text, "thinking": thinking, "finish_reason": answer["finish_reason"], "usage": usage}


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip()[:500] if lines else type(error).__name__
