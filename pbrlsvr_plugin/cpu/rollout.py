"""The `hf` rollout backend: a Ray actor per replica generates with transformers; weights come to it through Ray.

FSDP rank r --HFRollout.update_weights--> HFServer r <--generate-- agent loops
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import ray
import torch
from torch import Tensor
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.config import HFModelConfig
from verl.workers.rollout.base import BaseRollout
from verl.workers.rollout.replica import RolloutReplica, TokenOutput

from pbrlsvr.errors import ConfigError, ModelError
from pbrlsvr_plugin.cpu.generation import Generator, Request
from pbrlsvr_plugin.cpu.generation_queue import Batcher
from pbrlsvr_plugin.cpu.sampling import from_verl

NamedTensors = Iterable[tuple[str, Tensor]]


def server_name(replica_rank: int, suffix: str = "") -> str:
    return f"hf_server_{replica_rank}{suffix}"


class HFServer:
    """Generates for one replica. Its methods are those that veRL calls on a vLLM server."""

    def __init__(self, config: Any, model_config: Any, replica_rank: int) -> None:
        self.config = omega_conf_to_dataclass(config)
        self.model_config: HFModelConfig = omega_conf_to_dataclass(model_config, dataclass_type=HFModelConfig)
        self.replica_rank = replica_rank
        if self.config.logprobs_mode != "processed_logprobs":
            raise ConfigError(
                f"rollout.logprobs_mode={self.config.logprobs_mode!r}: the hf rollout gives 'processed_logprobs' only"
            )
        options = (self.config.engine_kwargs or {}).get("hf") or {}
        torch.set_num_threads(int(options.get("num_threads") or os.environ.get("OMP_NUM_THREADS") or 1))
        self.model = _empty_model(self.model_config, self.config.dtype)
        self.eos_ids = _eos_ids(self.model_config)
        self.batcher = Batcher(Generator(self.model, self.config.max_num_seqs, self.config.max_num_batched_tokens))
        self.global_steps: int | None = None
        self._missing = {name for name, _ in self.model.named_parameters()}
        self._seen: Counter[int] = Counter()
        self._open = asyncio.Event()
        self._open.set()
        self._rejecting = False

    def address(self) -> str:
        return f"{ray.util.get_node_ip_address()}:{os.getpid()}"

    async def generate(
        self,
        prompt_ids: list[int],
        sampling_params: dict[str, Any],
        request_id: str,
        image_data: Any = None,
        video_data: Any = None,
        **unused: Any,
    ) -> TokenOutput:
        """One response, token ids in and out.

        Raises:
            ConfigError: the request asks for something that this backend does not do.
            ModelError: no weights have come yet.
        """
        if image_data is not None or video_data is not None:
            raise ConfigError("the hf rollout generates from text only; this request has images or videos")
        request = self._request(list(prompt_ids), sampling_params)
        if not self._open.is_set():
            if self._rejecting:
                return TokenOutput(
                    token_ids=[], stop_reason="aborted", extra_fields={"global_steps": self.global_steps}
                )
            await self._open.wait()
        started_with = self.global_steps
        await asyncio.wrap_future(self.batcher.submit(request))
        return TokenOutput(
            token_ids=request.token_ids,
            log_probs=request.logprobs if sampling_params.get("logprobs") else None,
            stop_reason="aborted" if request.aborted else "completed",
            extra_fields={"global_steps": started_with},
        )

    async def generate_many(self, prompts: list[list[int]], params: list[dict[str, Any]]) -> list[TokenOutput]:
        """`generate` for requests that `client.GatheringClient` sends in one call."""
        return await asyncio.gather(*(self.generate(*request, "") for request in zip(prompts, params, strict=True)))

    def _request(self, prompt_ids: list[int], sampling_params: dict[str, Any]) -> Request:
        if self._missing:
            raise ModelError(f"a request came before the weights; still missing: {sorted(self._missing)[:3]}")
        most = int(self.config.max_model_len or self.model_config.hf_config.max_position_embeddings)
        if len(prompt_ids) >= most:
            raise ConfigError(
                f"a prompt of {len(prompt_ids)} tokens leaves no room in the model's context of {most}; "
                f"lower data.max_prompt_length or raise actor_rollout_ref.rollout.max_model_len"
            )
        return Request(
            prompt_ids,
            from_verl(
                sampling_params,
                default_max_tokens=min(
                    self.config.response_length,
                    self.config.prompt_length + self.config.response_length - len(prompt_ids),
                ),
                limit=most - len(prompt_ids),
                eos_ids=self.eos_ids,
                ignore_eos=self.config.ignore_eos,
                seed=self._seed(prompt_ids),
            ),
        )

    def _seed(self, prompt_ids: list[int]) -> int:
        """The same for the k-th request of a prompt at the same weights, in whatever order requests arrive."""
        prompt = hash(tuple(prompt_ids))
        self._seen[prompt] += 1
        parts = (self.config.seed, self.replica_rank, self.global_steps or 0, prompt, self._seen[prompt])
        return hash(parts) & (2**63 - 1)

    async def load_weights(self, bucket: dict[str, Tensor]) -> None:
        """Copy some of the model's tensors, between two steps of the generation."""
        await asyncio.wrap_future(self.batcher.call(lambda: self._load(bucket)))

    def _load(self, bucket: dict[str, Tensor]) -> None:
        _, unexpected = self.model.load_state_dict(bucket, strict=False)
        if unexpected:
            raise ModelError(
                f"the trainer sends weights that the rollout's {type(self.model).__name__} lacks: {unexpected[:3]}; "
                f"with LoRA, set actor_rollout_ref.model.lora.merge=true"
            )
        self._missing -= bucket.keys()

    async def finish_weights(self, global_steps: int | None) -> None:
        """All tensors have come: the model is now the trainer's of that step."""
        if self._missing:
            raise ModelError(f"the weight sync left out {sorted(self._missing)[:3]} ({len(self._missing)} in all)")
        self.global_steps = global_steps
        self._seen.clear()

    async def abort_all_requests(self, reject_request: bool = False) -> dict[str, Any]:
        self._rejecting = reject_request
        self._open.clear()
        return {"aborted_count": await asyncio.wrap_future(self.batcher.abort()), "request_ids": []}

    async def resume_generation(self) -> None:
        self._open.set()

    async def nothing(self, *_: Any, **__: Any) -> None:
        """There is no device memory to free or to fill."""

    wake_up = sleep = clear_kv_cache = release_kv_cache = resume_kv_cache = start_profile = stop_profile = nothing


def _empty_model(model_config: HFModelConfig, dtype: str) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(
        model_config.hf_config,
        attn_implementation="sdpa",
        dtype=getattr(torch, dtype),
        trust_remote_code=model_config.trust_remote_code,
    )
    model.requires_grad_(False)
    return model.eval()  # type: ignore[no-any-return]


def _eos_ids(model_config: HFModelConfig) -> tuple[int, ...]:
    """What ends a response: the generation config's ids, and the tokenizer's."""
    configured = getattr(model_config.generation_config, "eos_token_id", None)
    ids = configured if isinstance(configured, list) else [configured]
    return tuple(sorted({i for i in [*ids, model_config.tokenizer.eos_token_id] if i is not None}))


class HFReplica(RolloutReplica):
    """Starts the server of one FSDP rank."""

    async def launch_servers(self) -> None:
        if self.world_size != 1:
            raise ConfigError(
                f"the hf rollout runs on one rank, not {self.world_size}: set "
                f"actor_rollout_ref.rollout.{{tensor,pipeline}}_model_parallel_size and data_parallel_size to 1"
            )
        options = {"name": server_name(self.replica_rank, self.name_suffix), "num_cpus": 0}
        actor = ray.remote(HFServer).options(**options, max_concurrency=self.max_concurrency)
        server = actor.remote(self.config, self.model_config, self.replica_rank)
        self.servers = [server]
        self._server_handle = server
        self._server_address = await server.address.remote()


class HFRollout(BaseRollout):
    """Lives in an FSDP rank's process and sends its weights to that rank's server."""

    def __init__(self, config: Any, model_config: Any, device_mesh: Any, replica_rank: int = -1, **_: Any) -> None:
        super().__init__(config, model_config, device_mesh)
        self.replica_rank = int(os.environ["RANK"]) if replica_rank == -1 else replica_rank
        self.is_leader_rank = True

    async def resume(self, tags: list[str]) -> None:
        pass

    async def release(self) -> None:
        pass

    @torch.no_grad()
    async def update_weights(
        self,
        weights: NamedTensors,
        wire_format: str = "named_tensors",
        peft_config: Any = None,
        global_steps: int | None = None,
        **_: Any,
    ) -> None:
        """Send all weights, in buckets.

        Raises:
            ConfigError: veRL sends a LoRA adapter instead of merged weights, or a delta.
        """
        if peft_config is not None:
            raise ConfigError(
                "the hf rollout takes merged weights, not an adapter: set actor_rollout_ref.model.lora.merge=true"
            )
        if wire_format != "named_tensors":
            raise ConfigError(f"the hf rollout takes wire_format='named_tensors', not {wire_format!r}")
        server = ray.get_actor(server_name(self.replica_rank))
        size = self.config.checkpoint_engine.update_weights_bucket_megabytes << 20
        for bucket in _buckets(weights, size):
            await server.load_weights.remote(bucket)
        await server.finish_weights.remote(global_steps)


def _buckets(weights: NamedTensors, size: int) -> Iterator[dict[str, Tensor]]:
    """Groups of about `size` bytes. Every rank must run this to its end: gathering a tensor is a collective."""
    bucket: dict[str, Tensor] = {}
    used = 0
    for name, tensor in weights:
        bucket[name] = tensor.detach().cpu()
        used += tensor.nbytes
        if used >= size:
            yield bucket
            bucket, used = {}, 0
    if bucket:
        yield bucket
