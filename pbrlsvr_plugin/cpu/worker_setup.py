"""Ray's `setup_worker.py` without `import ray`, which costs each worker half a second before it begins.

`python worker_setup.py SCRIPT ARGUMENTS`, with Ray's runtime environment among the arguments: it becomes
`PY_EXECUTABLE SCRIPT ARGUMENTS` in that environment. For one that asks for more than variables and an executable, it
becomes Ray's own script, which lies beside SCRIPT.
"""
# ruff: noqa: E402, PTH118, PTH120

import sys

del sys.path[0]  # this file's folder, which has a `platform` of its own

import json
import os
import re
import shlex

_CONTEXT, _LANGUAGE = "--serialized-runtime-env-context=", "--language="
_UNDERSTOOD = {"env_vars", "py_executable"}


def main() -> None:
    script, *arguments = sys.argv[1:]
    texts = [part.removeprefix(_CONTEXT) for part in arguments if part.startswith(_CONTEXT)]
    context = json.loads(texts[-1]) if texts else {}
    asked = {name for name, value in context.items() if value}
    if f"{_LANGUAGE}PYTHON" not in arguments or not asked <= _UNDERSTOOD:
        rays = os.path.join(os.path.dirname(script), "setup_worker.py")
        os.execv(sys.executable, [sys.executable, rays, script, *arguments])
    for name, value in (context.get("env_vars") or {}).items():
        # Ray says so of a variable in a value: what is not there is empty.
        os.environ[name] = re.sub(r"\$\{[A-Z0-9_]+\}", "", os.path.expandvars(value))
    rest = [part for part in arguments if not part.startswith((_CONTEXT, _LANGUAGE))]
    executable = context.get("py_executable") or sys.executable  # as Ray has it, words for a shell
    os.execvp("bash", ["bash", "-c", f"exec {executable} {shlex.join([script, *rest])}"])


main()
