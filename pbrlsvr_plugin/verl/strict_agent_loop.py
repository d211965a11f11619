"""veRL's agent loop workers, which also say why a rollout failed and spare each rollout some of its overhead.

actor_rollout_ref:
  rollout:
    agent:
      agent_loop_manager_class: pbrlsvr_plugin.verl.strict_agent_loop.StrictAgentLoopManager
"""

from typing import Any

import ray
import transfer_queue as tq
from ray.exceptions import RayTaskError
from verl.experimental.agent_loop.agent_loop import AgentLoopBase, DictConfigWrap, ToolListWrap
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop
from verl.trainer.ppo.v1.agent_loop_tq import AgentLoopManagerTQ, AgentLoopWorkerTQ
from verl.workers.rollout.llm_server import LLMServerClient

from pbrlsvr_plugin.verl.strict_buffer import REASON

_LONGEST_REASON = 2000


class _Worker(AgentLoopWorkerTQ.__ray_actor_class__):
    """Notes a failed rollout's error on its prompt, where `sampler.StrictReplayBuffer` finds it."""

    llm_client: LLMServerClient
    _single_turn: AgentLoopBase | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.rollout_config.name == "hf" and type(self.llm_client) is LLMServerClient:
            from pbrlsvr_plugin.cpu.client import GatheringClient

            self.llm_client = GatheringClient(self.config, self.llm_client._load_balancer)

    async def _run_agent_loop(
        self,
        sampling_params: dict[str, Any],
        trajectory: dict[str, Any],
        *,
        agent_name: str,
        trace: bool,
        **kwargs: Any,
    ) -> Any:
        try:
            if agent_name == "single_turn_agent" and not trace:
                output = await self._single_turn_loop().run(sampling_params, **kwargs)
                return await self._agent_loop_postprocess(output, trajectory["validate"], **kwargs)
            return await super()._run_agent_loop(
                sampling_params, trajectory, agent_name=agent_name, trace=trace, **kwargs
            )
        except Exception as error:
            partition = "val" if trajectory["validate"] else "train"
            await tq.async_kv_put(key=kwargs["uid"], partition_id=partition, tag={REASON: _reason(error)})
            raise

    def _single_turn_loop(self) -> AgentLoopBase:
        # veRL makes one per rollout, through hydra.instantiate: a third of a small model's rollout. It keeps no state.
        if self._single_turn is None:
            self._single_turn = SingleTurnAgentLoop(
                trainer_config=DictConfigWrap(self.config),
                server_manager=self.llm_client,
                tokenizer=self.tokenizer,
                processor=self.processor,
                hf_model_type=self.hf_model_type,
                dataset_cls=self.dataset_cls,
                data_config=DictConfigWrap(self.config.data),
                tools=ToolListWrap(self.tools),
            )
        return self._single_turn


class StrictAgentLoopWorker:
    """The actor around a `_Worker`.

    It holds one instead of being one: Ray pickles inherited methods by value, and with them a second copy of veRL's
    class, to which their `super()` then refers in vain.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._worker = _Worker(*args, **kwargs)

    async def generate_sequences(self, batch: Any) -> None:
        await self._worker.generate_sequences(batch)


class StrictAgentLoopManager(AgentLoopManagerTQ):
    """veRL's manager with `StrictAgentLoopWorker`s. Under `trainer.use_v1=False` it is veRL's own, unchanged."""

    @classmethod
    def create(cls, config: Any, **kwargs: Any) -> Any:
        if not config.trainer.use_v1:
            # The legacy trainer has no TransferQueue, and stops by itself when a rollout or a reward raises.
            from verl.experimental.agent_loop import AgentLoopManager

            return AgentLoopManager.create(config=config, **kwargs)
        return super().create(config=config, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent_loop_workers_class = ray.remote(StrictAgentLoopWorker)


def _reason(error: BaseException) -> str:
    cause = error.cause if isinstance(error, RayTaskError) else error
    text = f"{type(cause).__name__}: {cause}"
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} ..."
