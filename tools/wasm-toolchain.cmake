# Cross-compiling to WebAssembly with the emcc that tools/setup put in place. Not Emscripten's own
# toolchain file: the loader and the link options are ours, and cmake should find nothing else.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
set(CMAKE_C_COMPILER "${CMAKE_CURRENT_LIST_DIR}/../.deps/bin/emcc")
set(CMAKE_AR "${CMAKE_CURRENT_LIST_DIR}/../.deps/bin/emar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${CMAKE_CURRENT_LIST_DIR}/../.deps/bin/emranlib" CACHE FILEPATH "")
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
