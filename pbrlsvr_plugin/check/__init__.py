"""`pbrlsvr check`: what is in the files that a run will train on, before it starts.

columns.py   a table file -> the columns that veRL and the rewards read, a batch of rows at a time
facts.py     columns -> what of them a run needs to know
findings.py  facts -> what is wrong, and what to do; also for `pbrlsvr train`
command.py   the table and the exit code
"""
