#!/bin/sh
# The ARM build under qemu gives the native build's bytes:
#   sh test_arm64.sh build/arm64/ferry build/native/ferry SOURCE_DIR
set -eu
arm=$1
native=$2
golden=$3/native-tests/golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0
emulated() { qemu-aarch64-static "$arm" "$@"; }

"$native" --version
emulated --version
emulated --version | grep -q neon || { echo "the ARM build has no NEON kernels under this qemu"; exit 1; }
sed 's/"ids":.*/"id":"x"}/' "$golden/text.jsonl" >"$work/texts.jsonl"
for model in gelu-mean gelu-new-cls relu-max plain-bf16; do
    for precision in f32 int8; do
        "$native" encode -q --model "$golden/tiny-bert/$model" --precision $precision \
            --out "$work/native" <"$work/texts.jsonl"
        for kernels in scalar neon; do
            emulated encode -q --model "$golden/tiny-bert/$model" --precision $precision \
                --kernels $kernels --out "$work/arm" <"$work/texts.jsonl"
            if cmp "$work/native" "$work/arm"; then
                passed=$((passed + 1))
            else
                failed=$((failed + 1))
                echo "FAILED: $model, $precision, $kernels"
            fi
        done
    done
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
