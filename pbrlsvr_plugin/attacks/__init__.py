"""Attacks on a reward: problems in eight languages, and responses that try to earn more than they deserve.

problems.jsonl    hand-written problems, each with an honest correct and an honest wrong solution
problems.py       reads them, and a user's own
responses.py      the attacks: one function each, from a problem to responses
"""
