# Cross-compiling to 64-bit ARM, to run the NEON kernels under qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_DISABLE_FIND_PACKAGE_OpenSSL ON) # the one here is this machine's
