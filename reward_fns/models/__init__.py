"""Models behind a reward: text in, numbers out."""
