"""`pbrlsvr plan`: does a recipe fit these GPUs, and what to change if not. Calculated from the model's config alone.

recipe.py      a recipe -> veRL's composed config -> settings.py, what of it decides about memory
model_size.py  a model's config -> parameters, exact, without weights
memory.py      settings and sizes -> bytes per GPU, by phase of a training step
scorers.py     the reward's models, where they share the GPUs
evaluate.py    all of it together: the plan
batches.py     what has to divide what, with the arithmetic
advice.py      what to change, cheapest first, with what each change saves
report.py      tables, JSON
"""
