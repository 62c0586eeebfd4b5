# The modules of the npm package, from the same sources: ferry-relaxed.wasm, ferry-simd.wasm and
# ferry-scalar.wasm.
function(add_ferry_wasm name)
  add_ferry(ferry_objects_${name} OBJECT)
  target_compile_options(ferry_objects_${name} PRIVATE ${ARGN})
  add_executable(ferry-${name} $<TARGET_OBJECTS:ferry_objects_${name}>
    $<TARGET_OBJECTS:ferry_cjson>)
  set_target_properties(ferry-${name} PROPERTIES SUFFIX .wasm)
  # What src/api/wasm.c marks as exported is exported; memory grows to what wasm32 can address.
  target_link_options(ferry-${name} PRIVATE -O3 -sSTANDALONE_WASM --no-entry
    -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=4GB -sINITIAL_MEMORY=4MB -sSTACK_SIZE=256KB
    -sMALLOC=emmalloc -sFILESYSTEM=0)
endfunction()

add_ferry_wasm(relaxed -msimd128 -mrelaxed-simd -DFERRY_WASM_RELAXED)
target_sources(ferry_objects_relaxed PRIVATE src/math/kernels_wasm_relaxed.c)
add_ferry_wasm(simd -msimd128 -DFERRY_WASM_SIMD)
target_sources(ferry_objects_simd PRIVATE src/math/kernels_wasm.c)
add_ferry_wasm(scalar)
