#!/bin/sh
# What is installed can be used, by find_package and by pkg-config: sh test_install.sh CC BUILD_DIR SOURCE_DIR
set -eu
cc=$1
build=$2
source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log"
awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/README.md" >"$work/example.c"
cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(example C)
find_package(ferry 0.1 REQUIRED)
add_executable(example example.c)
target_link_libraries(example ferry::ferry)
END
cmake -S "$work" -B "$work/build" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$work/prefix" >>"$work/log"
cmake --build "$work/build" >>"$work/log"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name ferry.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # they are words
"$cc" -std=c11 "$work/example.c" $(pkg-config --cflags --libs ferry) -o "$work/by-pkg-config"
cd "$work"
for example in build/example by-pkg-config; do
    if ./$example 2>message; then
        echo "$example: there is no shop, and it did not say so"
        exit 1
    fi
    grep -q shop message
done
