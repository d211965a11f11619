"""A miniature world in which pivot-based RL can be watched from end to end on two CPU cores. Start with run.py."""
