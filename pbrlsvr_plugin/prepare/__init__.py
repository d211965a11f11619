"""The pivot preprocessor: an English data set becomes multilingual training data with English references.

`stage.py` says what passes from one stage to the next.
"""

#: In the order in which they run.
STAGES = ("load", "reference", "verify", "translate", "check", "export")
