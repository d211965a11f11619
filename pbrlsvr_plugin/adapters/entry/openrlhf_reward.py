"""For OpenRLHF's `--reward.remote_url`: the function `reward_func(queries, prompts, labels)`, scored by pbrlsvr."""

from pbrlsvr_plugin.adapters.openrlhf import reward_func
from pbrlsvr_plugin.adapters.scoring import the_one_of_file

__all__ = ["reward_func"]

the_one_of_file()  # so that what is wrong with it is said now, not at the first response
