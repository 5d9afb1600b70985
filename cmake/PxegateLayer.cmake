# SPDX-License-Identifier: Apache-2.0

# Warnings and instrumentation that every target of the project builds with.
add_library(pxegate_flags INTERFACE)
target_include_directories(pxegate_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(pxegate_flags INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>)
if(PXEGATE_SANITIZE)
  target_compile_options(pxegate_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(pxegate_flags INTERFACE -fsanitize=address,undefined)
endif()

# pxegate_layer(NAME SOURCES file... LINK target...): the static library
# pxegate_NAME, which may use what LINK names and nothing else.
function(pxegate_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  add_library(pxegate_${name} STATIC ${arg_SOURCES})
  target_link_libraries(pxegate_${name} PUBLIC pxegate_flags ${arg_LINK})
endfunction()
