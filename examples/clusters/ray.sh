#!/usr/bin/env bash
# A Ray cluster of machines that ssh reaches, and runs on it. On the machine that is to be its head:
#
#   WORKERS="node2 node3" ./ray.sh up [OPTION]...     Ray here, with options of `ray start`, and on the workers
#   WORKERS="node2 node3" ./ray.sh submit RECIPE [KEY=VALUE]...
#   WORKERS="node2 node3" ./ray.sh down               ends all Ray of this user on all of them
#
# Without ssh: `./ray.sh head` here, `./ray.sh worker HEAD:PORT` on the others, `NODES=3 ./ray.sh submit ...` here.
set -euo pipefail

# The other machines, as ssh knows them.
WORKERS=${WORKERS:-}
# All machines, the head with them.
NODES=${NODES:-$(($(wc -w <<<"$WORKERS") + 1))}
# Of each machine.
GPUS=${GPUS:-8}
# Of the head.
PORT=${PORT:-6379}
DASHBOARD_PORT=${DASHBOARD_PORT:-8265}
# A folder that all machines see.
SHARED=${SHARED:-/shared}
# The Python environment with veRL and pbrlsvr, at the same path on all machines.
VENV=${VENV:-$SHARED/venv}
# All processes of a run inherit these from `ray start`. The models were downloaded to HF_HOME before.
export PATH="$VENV/bin:$PATH" HF_HOME="$SHARED/huggingface" HF_HUB_OFFLINE=1
# Who can read this file can use the Ray cluster; without a token, everybody on the network can. Made at the first start.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$SHARED/.ray_token}

there() { # HOST COMMAND...: this script, on another machine
    # shellcheck disable=SC2029 # expanded here on purpose
    ssh "$1" "GPUS=${GPUS@Q} SHARED=${SHARED@Q} VENV=${VENV@Q} RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH@Q}" \
        "bash -s -- ${*:2}" <"$0"
}

check_token() { # who wrote the token, or can read it, can run code on the cluster
    local file=$RAY_AUTH_TOKEN_PATH found
    found=$(LC_ALL=C stat -c '%F, owner %U, mode %a' -- "$file" 2>/dev/null) || found="no file"
    if [[ -L $file || ! -O $file || ! -s $file || $found != "regular file, "*", mode "[46]00 ]]; then
        [[ -L $file ]] && found="a link"
        echo "RAY_AUTH_TOKEN_PATH=$file is not a token that only you can read and that you wrote ($found):" \
            "remove it, for a new one to be made, or name another path" >&2
        exit 1
    fi
}

make_token() {
    if [[ ! -e $RAY_AUTH_TOKEN_PATH && ! -L $RAY_AUTH_TOKEN_PATH ]]; then
        # Only if it is not there by now: noclobber follows no link and takes over no file.
        (umask 077 && set -o noclobber &&
            od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH") || true
    fi
    check_token
}

start_head() {
    make_token
    ray start --head --port="$PORT" --dashboard-port="$DASHBOARD_PORT" --num-gpus="$GPUS" "$@"
}

up() {
    start_head "$@"
    local address worker
    address=$(hostname -I | awk '{ print $1 }'):$PORT
    for worker in $WORKERS; do there "$worker" worker "$address"; done
    ray status --address "127.0.0.1:$PORT"
}

down() {
    local worker
    for worker in $WORKERS; do there "$worker" stop; done
    ray stop
}

registered() {
    ray status --address "127.0.0.1:$PORT" |
        awk '$2 == "GPU" { sub(".*/", "", $1); count = $1 } END { print int(count) }'
}

submit() { # RECIPE [KEY=VALUE]...
    local found
    check_token
    until found=$(registered) && ((found == NODES * GPUS)); do
        if ((SECONDS > 15)); then # Ray writes its status every 5 seconds
            echo "the Ray cluster has $found GPUs, and NODES=$NODES with GPUS=$GPUS are $((NODES * GPUS));" \
                "ray status shows which machine is missing" >&2
            exit 1
        fi
        sleep 2
    done
    # ${...} in single quotes is Hydra's. The command line comes last, and wins.
    # shellcheck disable=SC2016
    ray job submit --address "http://127.0.0.1:$DASHBOARD_PORT" -- \
        pbrlsvr train "$1" trainer.nnodes="$NODES" trainer.n_gpus_per_node="$GPUS" \
        trainer.default_local_dir="$SHARED"'/checkpoints/${trainer.project_name}/${trainer.experiment_name}' "${@:2}"
}

case "${1:-}" in
    up | down) "$@" ;;
    head) start_head "${@:2}" ;;
    worker) check_token && ray start --address="${2:?"the head, as HOST:PORT"}" --num-gpus="$GPUS" "${@:3}" ;;
    submit) submit "${2:?"a recipe; pbrlsvr recipes lists them"}" "${@:3}" ;;
    stop) ray stop ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
