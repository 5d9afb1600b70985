# SPDX-License-Identifier: Apache-2.0

find_program(BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(BPF_LLVM_STRIP NAMES llvm-strip-14 llvm-strip REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

# pxegate_bpf(TARGET SOURCE): compiles SOURCE for the kernel and offers its
# skeleton as <name>.skel.h to what links TARGET. Rebuilt when any header that
# the compiler saw changes.
function(pxegate_bpf target source)
  get_filename_component(name ${source} NAME_WE)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/bpf-gen)
  set(object ${directory}/${name}.bpf.o)
  set(skeleton ${directory}/${name}.skel.h)
  file(MAKE_DIRECTORY ${directory})
  # Debian keeps <asm/types.h> under the host's triplet, which the bpf target
  # does not search.
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${BPF_CLANG} -O2 -g -std=gnu11 -target bpf -mcpu=v3
            -Wall -Wextra -Werror -I${PROJECT_SOURCE_DIR}
            -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
            -MMD -MF ${object}.d -MT ${object}
            -c ${PROJECT_SOURCE_DIR}/${source} -o ${object}
    COMMAND ${BPF_LLVM_STRIP} -g ${object}
    DEPENDS ${PROJECT_SOURCE_DIR}/${source}
    DEPFILE ${object}.d
    COMMENT "Compiling ${source} for the kernel"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}.new
    COMMAND ${CMAKE_COMMAND} -E rename ${skeleton}.new ${skeleton}
    DEPENDS ${object} ${BPFTOOL}
    COMMENT "Generating ${name}.skel.h"
    VERBATIM)
  add_custom_target(${target}_skeleton DEPENDS ${skeleton})
  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_skeleton)
  # System: the generated code does not meet the project's warnings.
  target_include_directories(${target} SYSTEM INTERFACE ${directory})
  target_link_libraries(${target} INTERFACE PkgConfig::LIBBPF)
endfunction()
