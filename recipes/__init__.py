"""Run configurations: each is an override of veRL's `ppo_trainer` config and nothing else."""
