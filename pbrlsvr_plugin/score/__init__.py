"""`pbrlsvr score`: any reward on a file of responses, without a trainer.

job        what is to be done, from the command line
columns    which column of the file is what
kept       the results so far, beside the file that is written at the end
summary    what the rewards were, per language
command    reads, scores many rows at once, prints
"""
