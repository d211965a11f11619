"""The pivot preprocessor: an English data set becomes multilingual training data with English references.

load -> reference -> verify -> translate -> check -> export; `stage.py` says what passes from one to the next.
"""
