"""The strict agent loop workers, made quick enough for a model that generates faster than veRL can ask it.

actor_rollout_ref:
  rollout:
    agent:
      agent_loop_manager_class: pbrlsvr_plugin.cpu.agent_loop.CPUAgentLoopManager
"""

from typing import Any

from verl.experimental.agent_loop import agent_loop
from verl.experimental.agent_loop.single_turn_agent_loop import SingleTurnAgentLoop
from verl.workers.rollout.llm_server import LLMServerClient

from pbrlsvr_plugin.cpu.client import GatheringClient
from pbrlsvr_plugin.verl.strict_run import NotingWorker, StrictAgentLoopManager, StrictAgentLoopWorker

# What veRL's registry holds for its single turn as long as nobody has replaced it.
_STOCK = {"_target_": f"{SingleTurnAgentLoop.__module__}.{SingleTurnAgentLoop.__qualname__}"}


class _Worker(NotingWorker):
    llm_client: LLMServerClient
    _single_turn: SingleTurnAgentLoop | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.rollout_config.name == "hf" and type(self.llm_client) is LLMServerClient:
            self.llm_client = GatheringClient(self.config, self.llm_client._load_balancer)

    async def _run_loop(self, sampling_params: dict[str, Any], trajectory: dict[str, Any], **kwargs: Any) -> Any:
        # A traced rollout needs veRL's own span around it.
        if kwargs["trace"] or agent_loop._agent_loop_registry.get(kwargs["agent_name"]) != _STOCK:
            return await super()._run_loop(sampling_params, trajectory, **kwargs)
        row = {key: value for key, value in kwargs.items() if key not in ("agent_name", "trace")}
        output = await self._stock_single_turn().run(sampling_params, **row)
        return await self._agent_loop_postprocess(output, trajectory["validate"], **row)

    def _stock_single_turn(self) -> SingleTurnAgentLoop:
        # veRL makes one per rollout, through hydra.instantiate: a third of a small model's rollout. It keeps no state.
        if self._single_turn is None:
            self._single_turn = SingleTurnAgentLoop(
                trainer_config=agent_loop.DictConfigWrap(self.config),
                server_manager=self.llm_client,
                tokenizer=self.tokenizer,
                processor=self.processor,
                hf_model_type=self.hf_model_type,
                dataset_cls=self.dataset_cls,
                data_config=agent_loop.DictConfigWrap(self.config.data),
                tools=agent_loop.ToolListWrap(self.tools),
            )
        return self._single_turn


class CPUAgentLoopWorker(StrictAgentLoopWorker):
    """The actor of `CPUAgentLoopManager`."""

    worker_class = _Worker


class CPUAgentLoopManager(StrictAgentLoopManager):
    """As `StrictAgentLoopManager`; requests share remote calls, and veRL's stock single turn is made once."""

    actor_class = CPUAgentLoopWorker
