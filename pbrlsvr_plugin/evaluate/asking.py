"""Each question to the model, once and for good: what the journal has is not asked again.

The journal keys a response by the model's files (or its name at a server), the messages, the sampling and the number of
the sample. So the same command after a stop asks only for what is missing, more samples or languages
ask only for what is new, and a checkpoint that has changed is asked anew.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pbrlsvr.errors import ConfigError, PbrlsvrError
from pbrlsvr_plugin.evaluate.backends import Backend, Request, Transformers, Vllm, versions
from pbrlsvr_plugin.evaluate.benchmarks import Question
from pbrlsvr_plugin.evaluate.reading import Response
from pbrlsvr_plugin.evaluate.settings import Settings
from pbrlsvr_plugin.prepare.export.instructions import PromptOptions, Prompts
from pbrlsvr_plugin.prepare.requests.asking import Asker, ChatOptions, EmptyAnswer, chat_request, check_server
from pbrlsvr_plugin.prepare.requests.concurrent import Failures, RefusedAnswer, in_order
from pbrlsvr_plugin.prepare.requests.cost import tokens_of
from pbrlsvr_plugin.prepare.requests.journal import Journal, request_key
from pbrlsvr_plugin.progress import counted

#: So many requests in a row that fail stop the run.
_GIVE_UP_AFTER = 20
#: What of a model's folder decides its answers.
_OF_THE_MODEL = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


@dataclass(frozen=True)
class Ask:
    """One sample of one question."""

    question: Question
    sample: int
    request: Request


class Asking:
    """Asks a model, through a journal.

    Raises:
        ConfigError: there is no such model, or it is no model.
    """

    def __init__(self, settings: Settings, journal: Journal):
        self._settings, self._journal = settings, journal
        options = {"mark": settings.mark, "system": settings.system, "file": settings.prompts}
        self._prompts = Prompts(PromptOptions.of(options))
        self._chat = _chat_options(settings) if settings.backend == "endpoint" else None
        self.fingerprint = model_fingerprint(settings) if self._chat is None else settings.model
        self.samples = settings.samples
        #: Why requests were refused: a few.
        self.errors: list[str] = []
        self.asked = 0
        self.versions = versions(settings.backend)

    def asks(self, questions: Sequence[Question]) -> Iterator[Ask]:
        """The samples of the questions, in order."""
        for question in questions:
            for sample in range(self._settings.samples):
                yield self._ask(question, sample)

    def ask(self, questions: Sequence[Question]) -> None:
        """Asks for what is not in the journal.

        Raises:
            PbrlsvrError: the model cannot be loaded, or the servers do not answer. What they answered is kept.
        """
        total = len(questions) * self._settings.samples
        missing = [ask for ask in self.asks(questions) if self._journal.get(ask.request.key) is None]
        if not missing:
            return
        with counted("answered", total, total - len(missing)) as count:
            if self._chat is not None:
                self._at_server(missing, count)
                return
            backend: Backend = (Vllm if self._settings.backend == "vllm" else Transformers)(self._settings)
            for key, answer in backend.answers([ask.request for ask in missing]):
                self._journal.put(key, answer)
                self.asked += 1
                count(1)
            self.errors += backend.refused[:10]

    def response(self, ask: Ask) -> Response | None:
        """What the journal has; None where there is no answer."""
        found = self._journal.get(ask.request.key)
        if found is None:
            return None
        tokens = tokens_of(found.get("usage") or {}, "completion_tokens")
        return Response(found["thinking"], found["text"], found["finish_reason"], tokens or None)

    def messages(self, question: Question) -> list[dict[str, str]]:
        """The prompt: as the data have it, else the question with the instruction of its language."""
        if question.messages is not None:
            messages = [dict(message) for message in question.messages]
            system = self._settings.system
            return [{"role": "system", "content": system}, *messages] if system else messages
        try:
            return self._prompts.messages(question.text, question.language)
        except ConfigError as error:
            raise ConfigError(str(error).replace("export.prompt.file", "--prompts")) from error

    def _ask(self, question: Question, sample: int) -> Ask:
        messages = self.messages(question)
        if self._chat is not None:
            request = chat_request(self._chat, messages, self._settings.seed, sample, 0)
            return Ask(question, sample, Request(request_key("chat", **request), messages, None))
        settings = self._settings
        decides: dict[str, Any] = {
            "model": self.fingerprint, "messages": messages, "max_tokens": settings.max_tokens,
            "thinking_tokens": settings.thinking_tokens, "template": settings.template(), "engine": settings.engine,
            "temperature": settings.temperature, "sample": sample,
        }  # fmt: skip
        seed = None
        if settings.temperature:
            decides |= {"top_p": settings.top_p, "seed": settings.seed}
            seed = int(sha256(json.dumps([settings.seed, question.id, sample]).encode()).hexdigest()[:7], 16)
        return Ask(question, sample, Request(request_key(settings.backend, **decides), messages, seed))

    def _at_server(self, missing: list[Ask], count: Any) -> None:
        assert self._chat is not None
        check_server(self._chat)
        asker = Asker(self._chat, self._journal)

        async def work(ask: Ask) -> bool:
            # A model that says nothing, three times, or that a filter silences, has said nothing: the journal has that.
            with suppress(EmptyAnswer, RefusedAnswer):
                await asker.ask([dict(each) for each in ask.request.messages], self._settings.seed, ask.sample)
            return True

        failures = Failures(_GIVE_UP_AFTER)
        window = 4 * self._settings.concurrency
        for ask, result in in_order(missing, work, window, failures, close=asker.aclose):
            if isinstance(result, PbrlsvrError):
                if len(self.errors) < 10:
                    self.errors.append(f"{ask.question.id}: {result}")
            else:
                self.asked += 1
            count(1)


def _chat_options(settings: Settings) -> ChatOptions:
    body: dict[str, Any] = dict(settings.body)
    if template := settings.template():
        body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), **template}
    tokens = settings.max_tokens
    if settings.thinking_tokens is not None:
        # vLLM's name for it; its server must know the tags (--reasoning-parser).
        body.setdefault("thinking_token_budget", settings.thinking_tokens)
        tokens += settings.thinking_tokens
    return ChatOptions(
        model=settings.model,
        urls=settings.urls,
        api_key_env=settings.api_key_env,
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=tokens,
        body=body,
        max_concurrency=settings.concurrency,
    )


def model_fingerprint(settings: Settings) -> str:
    """What tells a model from another: its name and revision; of a folder, the state of its files.

    Raises:
        ConfigError: the folder is no model.
    """
    folder = Path(settings.model)
    if not folder.is_dir():
        if settings.model.startswith((".", "/", "~")) or settings.model.count("/") > 1:
            raise ConfigError(f"there is no folder {settings.model!r} with a model")
        return f"{settings.model}@{settings.revision or 'main'}"
    if not (folder / "config.json").is_file():
        found = sorted(path.name for path in folder.iterdir())[:10]
        raise ConfigError(
            f"the folder {settings.model!r} has no config.json; it has {found}. For a checkpoint of veRL run "
            f"`pbrlsvr export {settings.model} --out <folder>` first"
        )
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns)
             for file in sorted(folder.iterdir()) if file.suffix in _OF_THE_MODEL]  # fmt: skip
    return f"{folder.resolve().name}:{sha256(json.dumps(files).encode()).hexdigest()[:16]}"
