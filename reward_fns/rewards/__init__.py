"""The rewards: one rollout in, a score and its components out."""
