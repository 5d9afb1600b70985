# SPDX-License-Identifier: Apache-2.0

# pxegate_embed(TARGET file NAME constant): TARGET can include
# "<file's name>.inc", which defines `constexpr std::string_view constant`
# with the file's bytes.
function(pxegate_embed target file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME" "")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  get_filename_component(name ${file} NAME)
  file(READ ${file} PXEGATE_BYTES)
  # A literal has a limit (64 KiB in C++), its delimiter must not be in it.
  string(LENGTH "${PXEGATE_BYTES}" length)
  if(length GREATER 65000 OR PXEGATE_BYTES MATCHES "\\)embedded\"")
    message(FATAL_ERROR "${file} cannot be embedded")
  endif()
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}.inc)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT
    "constexpr std::string_view ${arg_NAME} = R\"embedded(@PXEGATE_BYTES@)embedded\";\n")
  target_include_directories(${target} PRIVATE
    ${CMAKE_CURRENT_BINARY_DIR}/embedded)
endfunction()
