# The modules of the npm package, from the same sources: ferry-relaxed.wasm, ferry-simd.wasm and
# ferry-scalar.wasm, and each once more with threads: ferry-relaxed-threads.wasm …
# Data stays in one piece: cut up at its zeros it is smaller before compression, and 1 to 2 KB larger
# after, the more so with the code that puts a hundred pieces into shared memory.
set(FERRY_WASM_LINK -O3 --no-entry -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=4GB
  -sINITIAL_MEMORY=4MB -sSTACK_SIZE=256KB -sMALLOC=emmalloc -sFILESYSTEM=0
  -sBINARYEN_EXTRA_PASSES=--skip-pass=memory-packing)

# Training is in no module of the package: the linker leaves out what nothing calls, and its kernels
# are not in the tables. For the tests' small runs there is a module of its own, beside each that has
# no threads, with kernels of its own.
function(add_train_runs module kernels)
  set(objects $<TARGET_OBJECTS:ferry_objects_${module}>)
  add_executable(train-runs-${module} wasm-tests/train_runs.c src/math/kernels_scalar.c
    src/math/self_test.c ${kernels} $<FILTER:${objects},EXCLUDE,src/math/kernels_|src/math/self_test>)
  target_include_directories(train-runs-${module} PRIVATE src include native-tests)
  target_compile_options(train-runs-${module} PRIVATE ${ARGN})
  target_link_libraries(train-runs-${module} PRIVATE ferry_flags ferry_cjson)
  target_link_options(train-runs-${module} PRIVATE ${FERRY_WASM_LINK} -sSTANDALONE_WASM)
  set_target_properties(train-runs-${module} PROPERTIES SUFFIX .wasm)
endfunction()

# What src/api/wasm.c marks as exported is exported; memory grows to what wasm32 can address.
function(add_ferry_wasm name kernels)
  foreach(threads "" "-threads")
    set(module ${name}${threads})
    add_ferry(ferry_objects_${module} OBJECT ${kernels})
    add_executable(ferry-${module} $<TARGET_OBJECTS:ferry_objects_${module}>)
    target_compile_options(ferry_objects_${module} PRIVATE ${ARGN} -DFERRY_NO_TRAINING)
    if(kernels) # of its own: the scalar ones are there for the self-test alone
      set_target_properties(ferry_objects_${module} PROPERTIES FERRY_SCALAR_KERNELS -Oz)
    endif()
    if(threads)
      # A .wasm asked for would be a standalone one, which Emscripten does not make for shared
      # memory: asked for JavaScript, which nobody uses, it leaves the .wasm beside it.
      set_target_properties(ferry-${module} PROPERTIES SUFFIX .js)
      # JavaScript brings the memory, which helper workers' instances share. cJSON once more, for
      # all objects of such a module must be compiled with atomics.
      add_library(ferry_cjson_${module} OBJECT $<TARGET_PROPERTY:ferry_cjson,SOURCES>)
      target_include_directories(ferry_cjson_${module} PRIVATE "${CJSON_DIR}")
      target_compile_definitions(ferry_cjson_${module} PRIVATE
        $<TARGET_PROPERTY:ferry_cjson,COMPILE_DEFINITIONS>)
      target_compile_options(ferry_cjson_${module} PRIVATE -w -matomics -mbulk-memory)
      target_compile_options(ferry_objects_${module} PRIVATE -matomics -mbulk-memory)
      target_link_libraries(ferry-${module} PRIVATE ferry_cjson_${module})
      target_link_options(ferry-${module} PRIVATE ${FERRY_WASM_LINK} -sSHARED_MEMORY=1
        -sIMPORTED_MEMORY=1 -sDECLARE_ASM_MODULE_EXPORTS=0)
    else()
      set_target_properties(ferry-${module} PROPERTIES SUFFIX .wasm)
      target_link_libraries(ferry-${module} PRIVATE ferry_cjson)
      target_link_options(ferry-${module} PRIVATE ${FERRY_WASM_LINK} -sSTANDALONE_WASM)
      add_train_runs(${module} "${kernels}" ${ARGN})
    endif()
  endforeach()
endfunction()

set_source_files_properties(src/math/kernels_scalar.c PROPERTIES COMPILE_OPTIONS
  "$<TARGET_PROPERTY:FERRY_SCALAR_KERNELS>")

# What opens files, reads options and tells reasons is made small rather than fast.
foreach(source ${SOURCES})
  if(source MATCHES "src/(api/|base/(json|reader|error|names|memory))"
     OR source MATCHES "_(load|config|files|json|vocab|parts|shift|read|write)[.]c$"
     OR source MATCHES "input/(added|byte|charsmap|csv|date|events|excerpt|fields|fold|items|json|nfc|recbole|safetensors|table|text_norm|tokenizer_|trie)"
     OR source MATCHES "encode/(centers|image_encoder|sound_encoder|text_encoder|text_tower|vit)|math/(dispatch|self_test)|rank/(counterfactual|diversify|explain|filter|recommend|where)"
     OR source MATCHES "recsys/(catalog|fields|history|model[._]|profile|tfidf|titles|visitor[._])")
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Oz)
  endif()
endforeach()

add_ferry_wasm(relaxed src/math/kernels_wasm_relaxed.c -msimd128 -mrelaxed-simd -DFERRY_WASM_RELAXED)
add_ferry_wasm(simd src/math/kernels_wasm.c -msimd128 -DFERRY_WASM_SIMD)
add_ferry_wasm(scalar "")
