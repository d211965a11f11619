#!/usr/bin/env bash
# Everything that needs an accelerator, in one go; figures go to the folder given, or to ./gpu-figures.
#
#     bash benchmarks/gpu.sh [FOLDER]
#
# Needs torch with CUDA, transformers and sentence-transformers. With verl and ray it also runs the reward workers.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
out=${1:-gpu-figures}
mkdir -p "$out"
export PYTHONPATH="$out/package${PYTHONPATH:+:$PYTHONPATH}"
if ! "$python" -c "import pbrlsvr" 2>/dev/null; then
    # The library alone, under the name that it is imported by; nothing is installed.
    mkdir -p "$out/package"
    ln -sfn "$PWD/reward_fns" "$out/package/pbrlsvr"
    ln -sfn "$PWD/pbrlsvr_plugin" "$out/package/pbrlsvr_plugin"
fi

"$python" benchmarks/encoder_rate.py --compile --json "$out/encoder_rate.json" | tee "$out/encoder_rate.txt"
"$python" benchmarks/plan.py --gpu | tee "$out/plan.txt" || echo "plan.py: failed" >&2
if "$python" -c "import verl, ray" 2>/dev/null; then
    "$python" benchmarks/serving.py limit long today latency --device cuda --dtype bfloat16 --prompts 256 \
        --json "$out/serving.json" --plot "$out/serving.png" | tee "$out/serving.txt"
else
    echo "serving.py: left out, it needs verl and ray" | tee "$out/serving.txt"
fi
echo "figures: $out"
