"""How each trainer asks for scores: a file for each, with its bodies, an example, and what becomes of them."""

from fastapi import APIRouter

from pbrlsvr_plugin.serve.dialects import embeddings, nemo_gym, nemo_gym_metrics, openrlhf, score, slime

DIALECTS: tuple[APIRouter, ...] = (
    score.routes,
    openrlhf.routes,
    slime.routes,
    nemo_gym.routes,
    nemo_gym_metrics.routes,
    embeddings.routes,
)
