"""`pbrlsvr check`: what is in the files that a run will train on, before it starts: columns -> facts -> findings."""
