"""The method beside its baselines, in small worlds that can refute it. Start with run.py."""
