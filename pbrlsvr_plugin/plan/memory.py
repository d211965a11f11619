r"""Bytes on the fullest GPU, by phase of a step of veRL 0.9.1's hybrid engine (FSDP and vLLM on the same GPUs).

The peak is the largest sum over the phases, since each phase frees what it needed alone. Notation: $P$ parameters,
$P_t$ trained ones, $N$ ranks over which a parameter is cut, $m, c, r$ bytes of a stored, gathered and reduced number,
$T$ tokens of a micro-batch on one GPU, $h, I, V, L$ hidden size, intermediate size, vocabulary, layers.

Sources: verl/workers/engine/fsdp/transformer_impl.py, verl/utils/fsdp_utils.py, verl/workers/engine_workers.py and
verl/trainer/ppo/v1 of veRL 0.9.1; torch.distributed.fsdp of torch 2.13; vLLM's `gpu_memory_utilization`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pbrlsvr_plugin.plan.model_size import ModelSize
from pbrlsvr_plugin.plan.scorers import ScorerSize
from pbrlsvr_plugin.plan.settings import Engine, Rollout, Settings, engines

GIB = 2**30
SYNC, ROLLOUT, LOG_PROB, REFERENCE, CRITIC, CRITIC_STEP, UPDATE, STEP = PHASES = (
    "weight sync", "rollout", "log-prob", "reference", "critic", "critic step", "update", "update step",
)  # fmt: skip
# The passes of an engine, and its optimiser's step after them.
PASSES = {"actor": (LOG_PROB, UPDATE), "ref": (REFERENCE,), "critic": (CRITIC,)}
STEPS = {"actor": (STEP,), "ref": (), "critic": (CRITIC_STEP,)}

# Estimates, not calculated: CUDA contexts and NCCL of the trainer's and of vLLM's process, CUDA graphs, and what
# PyTorch's allocator has reserved and cannot use.
CONTEXTS = 2 * GIB
CUDA_GRAPHS = 1 * GIB
FRAGMENTATION = 0.05
FUSED_LOGITS_ROWS = 512  # verl/utils/experimental/torch_functional.py: chunk_size


@dataclass(frozen=True)
class Part:
    """Something that lies in a GPU's memory during some phases.

    Attributes:
        formula: how its bytes come about, with the numbers in it.
        host: bytes that it takes in the host's memory instead, per GPU.
    """

    component: str
    what: str
    bytes: float
    phases: tuple[str, ...]
    formula: str
    host: float = 0.0


def parts(settings: Settings, capacity: float, scorers: tuple[ScorerSize, ...] = ()) -> list[Part]:
    """Everything on the fullest GPU, of `capacity` bytes."""
    own = {phase for engine in engines(settings) for phase in (*PASSES[engine.role], *STEPS[engine.role])}
    phases = tuple(phase for phase in PHASES if phase in {SYNC, ROLLOUT} | own)
    found = [part for engine in engines(settings) for part in engine_parts(engine, phases)]
    found += rollout_parts(settings.rollout, settings.actor, capacity, phases)
    found += [Part("scorers", scorer.name, scorer.gpu_bytes, phases, scorer.formula) for scorer in scorers]
    found.append(Part("overhead", "CUDA contexts and NCCL", CONTEXTS, phases, "estimate: 2 GiB"))
    found.append(
        Part("overhead", "fragmentation", FRAGMENTATION * capacity, phases, f"estimate: {FRAGMENTATION:.0%} of the GPU")
    )
    return found


def engine_parts(engine: Engine, phases: tuple[str, ...]) -> Iterator[Part]:
    """What one engine holds between its passes, and what its passes need on top."""
    size, passes, steps = engine.size, PASSES[engine.role], STEPS[engine.role]
    backward = tuple(phase for phase in passes if phase in (UPDATE, CRITIC))
    yield from state_parts(engine, phases, passes, backward, steps)
    gathered = gathered_parameters(size)
    rule = f"c·(root + two neighbours, the larger twice) = {engine.compute} · {gathered:,}"
    yield Part(engine.role, "gathered parameters", engine.compute * gathered, passes, rule)
    yield from pass_parts(engine, passes, backward)


def state_parts(
    engine: Engine,
    phases: tuple[str, ...],
    passes: tuple[str, ...],
    backward: tuple[str, ...],
    steps: tuple[str, ...],
) -> Iterator[Part]:
    """Parameters, optimiser states and gradients: on the GPU always, only while they are used, or never."""
    size, m, c, r = engine.size, engine.master, engine.compute, engine.reduce
    training, own = (*backward, *steps), (*passes, *steps, *((SYNC,) if engine.staged_sync else ()))

    def placed(what: str, size: float, offloaded: bool, used: tuple[str, ...], rule: str) -> Part:
        where = () if engine.offload_policy else used if offloaded else phases
        return Part(engine.role, what, size, where, rule, host=size if len(where) < len(phases) else 0.0)

    rule = f"m·P/N = {m} · {size.count():,} / {engine.ranks}"
    yield placed("parameters", m * size.shard(engine.ranks), engine.param_offload, own, rule)
    if not training:
        return
    trained, all_trained = size.shard(engine.ranks, trainable=True), size.count(trainable=True)
    share = f"P_t/N = {all_trained:,} / {engine.ranks}"
    states = engine.optimizer_state
    yield placed("optimiser states", states * trained, engine.optimizer_offload, training, f"{states}·{share}")
    on_gpu = () if engine.offload_policy else training
    yield Part(engine.role, "gradients", m * trained, on_gpu, f"m·{share}, m = {m}")
    if engine.no_sync:
        rule = f"r·P_t = {r} · {all_trained:,}: not cut until the last one"
        yield Part(engine.role, "gradients between micro-batches", r * all_trained, backward, rule)
    unit = max(unit.count(trainable=True) for unit in (size.root, *size.units))
    rule = f"(c + r)·largest unit = ({c} + {r}) · {unit:,}"
    yield Part(engine.role, "gradients of a unit", (c + r) * unit, backward, rule)
    on_gpu = () if engine.offload_policy else steps
    yield Part(engine.role, "AdamW's square roots", m * trained, on_gpu, f"m·{share}, m = {m}")


def gathered_parameters(size: ModelSize) -> int:
    """Whole parameters that lie beside the shards: FSDP2 computes with one unit while it gathers its neighbour.

    A gather has the values twice for a moment, in the buffer of the all-gather and in the parameters.
    """
    counts = [unit.count() for unit in size.units if unit.count()] or [0]
    worst = max((a + b + max(a, b) for a, b in pairwise(counts)), default=2 * counts[0])
    return size.root.count() + worst


def pass_parts(engine: Engine, passes: tuple[str, ...], backward: tuple[str, ...]) -> Iterator[Part]:
    """What a forward pass keeps for the backward pass; and the larger of logits and a layer, which take turns."""
    size, forward = engine.size, tuple(phase for phase in passes if phase not in backward)
    layer = layer_activations(size, engine.compute)
    if backward:
        tokens = engine.train_tokens
        inputs = 2 if engine.activation_offload else size.layers
        each, rule = (size.hidden * engine.compute, "h·c") if engine.checkpointing else (layer, "a layer")
        yield Part(
            engine.role,
            "kept activations",
            tokens * inputs * each,
            backward,
            f"T·L·{rule} = {tokens:,} · {inputs} · {each:,}",
        )
        yield _working(
            engine, tokens, layer, backward, logits(engine, tokens, entropy=engine.train_entropy, backward=True)
        )
    if forward:
        # Only the policy's log-probabilities come with the entropy.
        tokens, entropy = engine.infer_tokens, engine.role == "actor"
        yield _working(engine, tokens, layer, forward, logits(engine, tokens, entropy=entropy, backward=False))


def _working(engine: Engine, tokens: int, layer: int, phases: tuple[str, ...], found: tuple[float, str]) -> Part:
    size, rule = found
    again = f"T·one layer = {tokens:,} · {layer:,}"
    name = "logits or a layer" if phases[0] in (UPDATE, CRITIC) else "logits or a layer, no gradient"
    return Part(engine.role, name, max(size, tokens * layer), phases, f"max({rule}, {again})")


def layer_activations(size: ModelSize, compute: int) -> int:
    r"""Bytes per token that a decoder layer of the Llama family keeps for its backward pass.

    Each of two norms keeps a float32 copy, and in $c$ bytes the normalised and the weighted input: $2 (4 + 2c) h$.
    Attention keeps queries, keys, values and its output, and the keys and queries before their norms, where there are
    any: $c (2 q + 2 k)$ and $(4 + c)(q + k)$. The MLP keeps gate, up, their activation and product: $4 c I$.
    """
    queries, keys = size.heads * size.head_dim, size.kv_heads * size.head_dim
    norms = 2 * (4 + 2 * compute) * size.hidden
    attention = compute * (2 * queries + 2 * keys) + ((4 + compute) * (queries + keys) if size.qk_norm else 0)
    return norms + attention + 4 * compute * size.intermediate


def logits(engine: Engine, tokens: int, *, entropy: bool, backward: bool) -> tuple[float, str]:
    """Bytes of the logits and of what is computed from them, and the rule.

    Logits come in `c` bytes. flash-attn's cross entropy, which veRL takes where packed sequences run, reads them row by
    row and writes its gradient over them: no copy (verl/utils/torch_functional.py:95, with `inplace_backward` in
    verl/workers/engine/fsdp/transformer_impl.py, prepare_model_outputs). A temperature other than 1 makes one, and one
    more for its gradient (_scale_logits_by_temperature). Padded sequences are copied into packed ones, and their
    gradient back. With an entropy nothing is in place: its gradient and that of the cross entropy are added up, and one
    copy in float32 is counted, an upper estimate; without a gradient, torch.compile fuses it. An entropy that is not
    compiled has its softmax and a product in float32. Fused kernels and chunks hold all that for a chunk of rows only.
    """
    if not engine.vocabulary:
        return 0.0, "no logits"
    vocab, rows, extra = engine.size.vocab, tokens, 0
    copies = 1 + engine.temperature_copy + (not engine.packed)
    if backward:
        copies += engine.temperature_copy + (not engine.packed) + entropy
    each = copies * engine.compute + (4 if entropy and backward else 0)
    if engine.fused_logits:
        rows = min(tokens, FUSED_LOGITS_ROWS)
        each = (1 + backward) * engine.compute + 4  # verl/utils/experimental/torch_functional.py: float32 in chunks
    elif entropy and engine.entropy_chunk and not backward:
        extra = 12 * min(engine.entropy_chunk, tokens) * vocab
    elif entropy and (engine.entropy_eager or engine.entropy_chunk):
        # With a gradient the softmax and the product of every chunk stay for the backward pass.
        each += 8
    chunk = f" + a chunk's {extra:,}" if extra else ""
    return rows * vocab * each + extra, f"T·V·b = {rows:,} · {vocab:,} · {each}{chunk}"


def host_load(settings: Settings) -> float:
    """Bytes of the first node's memory while veRL loads the largest of its engines' models.

    The first rank of each group of shards builds the whole model on the CPU, in the stored dtype, and sends it to the
    others (verl/utils/fsdp_utils.py: get_init_weight_context_manager, fsdp2_load_full_state_dict); with a tied head
    every rank does (transformer_impl.py: _build_module).
    """

    def copies(engine: Engine) -> int:
        return settings.gpus if engine.size.tied else max(1, settings.gpus // engine.ranks)

    return max(copies(engine) * engine.master * float(engine.size.count()) for engine in engines(settings))


def rollout_parts(rollout: Rollout, actor: Engine, capacity: float, phases: tuple[str, ...]) -> Iterator[Part]:
    """vLLM: weights, then the KV cache fills its share of the GPU; asleep it holds neither."""
    weights, work = vllm_weights(rollout), vllm_work(rollout)
    awake = (ROLLOUT,) if rollout.sleeps else phases
    yield Part(
        "vLLM",
        "weights",
        weights,
        (SYNC, ROLLOUT) if rollout.sleeps else phases,
        f"b·P/TP = {rollout.weight} · {rollout.size.count():,} / {rollout.tensor_parallel}",
    )
    yield Part(
        "vLLM",
        "working memory",
        work,
        awake,
        f"estimate: {rollout.batched_tokens:,} tokens in a layer, logits of {rollout.sequences} sequences",
    )
    cache = max(0.0, rollout.utilization * capacity - weights - work)
    yield Part("vLLM", "KV cache", cache, awake, f"{rollout.utilization:g} of the GPU - weights - working memory")
    if rollout.graphs:
        yield Part("vLLM", "CUDA graphs", CUDA_GRAPHS, phases, "estimate: 1 GiB; none with rollout.enforce_eager=true")
    # One tensor at a time is made whole; the embedding is the largest.
    yield Part(
        "vLLM",
        "weight transfer",
        rollout.bucket + actor.master * actor.size.embedding,
        (SYNC,),
        f"bucket {rollout.bucket >> 20:,} MiB + largest tensor {actor.master} · {actor.size.embedding:,}",
    )


def vllm_weights(rollout: Rollout) -> float:
    """Bytes of the weights on one GPU."""
    return rollout.weight * rollout.size.count() / rollout.tensor_parallel


def vllm_work(rollout: Rollout) -> float:
    """Bytes of the largest forward pass that vLLM measures before it sizes its cache."""
    size, parallel = rollout.size, rollout.tensor_parallel
    tokens = rollout.batched_tokens * rollout.weight * (4 * size.hidden + 3 * size.intermediate / parallel)
    return tokens + rollout.sequences * size.vocab * (rollout.weight + 4)


def kv_bytes_per_token(rollout: Rollout) -> float:
    """Bytes of one token's keys and values on one GPU; with more GPUs than key-value heads, heads are repeated."""
    heads = max(rollout.size.kv_heads / rollout.tensor_parallel, 1)
    return rollout.kv * rollout.size.kv_values() / rollout.size.kv_heads * heads
