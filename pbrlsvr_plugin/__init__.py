"""The glue between the reward library `pbrlsvr` and the trainers it plugs into."""
