"""`pbrlsvr report`: one page, which needs no network, of what runs did to each language.

folders -> reading (a step's file -> sums) -> curves (sums -> a run's curves) -> page; beside them evaluations, samples
(texts) and pictures (PNG).
"""
