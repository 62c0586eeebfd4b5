# find_package(ferry): the target ferry::ferry, and what it links.
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/ferry-targets.cmake")
