"""For scripts: `python -I -S fork_command.py ARGUMENTS` is `python ARGUMENTS`, in a fork of the suite's server.

It ends as the fork ends. A signal does not reach the fork.
"""
# ruff: noqa: PTH100, PTH109, PTH120

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from fork_request import ask

said = ask(os.environ["PBRLSVR_FORK_SERVER"], sys.argv[1:], os.environ, os.getcwd(), {0: 0, 1: 1, 2: 2}, waited=True)
said.readline()
code = int(said.readline() or 1)
sys.exit(code if code >= 0 else 128 - code)
