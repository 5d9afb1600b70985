# SPDX-License-Identifier: Apache-2.0

# What is made from the grammar of the command line and from the option table,
# in build/reference.
add_executable(pxegate_reference
  controller/app/reference.cc controller/app/reference_completion.cc
  controller/app/reference_main.cc controller/app/reference_text.cc)
target_link_libraries(pxegate_reference PRIVATE pxegate_app)
target_compile_definitions(pxegate_reference
  PRIVATE PXEGATE_VERSION="${PROJECT_VERSION}")

# The manual pages are of the day of the package's last change.
set(PXEGATE_CHANGELOG ${PROJECT_SOURCE_DIR}/cmake/package/changelog)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${PXEGATE_CHANGELOG})
file(STRINGS ${PXEGATE_CHANGELOG} PXEGATE_DATE REGEX "^ -- " LIMIT_COUNT 1)
string(REGEX REPLACE ".*, ([0-9]+) ([A-Z][a-z]+) ([0-9]+) .*" "\\1;\\2;\\3"
       PXEGATE_DATE "${PXEGATE_DATE}")
list(GET PXEGATE_DATE 0 day)
list(GET PXEGATE_DATE 1 month)
list(GET PXEGATE_DATE 2 year)
set(months Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
list(FIND months ${month} month)
math(EXPR month "${month} + 101")
string(SUBSTRING ${month} 1 2 month)
set(PXEGATE_DATE ${year}-${month}-${day})

set(PXEGATE_REFERENCE_DIR ${PROJECT_BINARY_DIR}/reference)
set(reference_files)
# pxegate_reference_file(KIND FILE)
function(pxegate_reference_file kind file)
  set(path ${PXEGATE_REFERENCE_DIR}/${file})
  get_filename_component(dir ${path} DIRECTORY)
  add_custom_command(OUTPUT ${path}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${dir}
    COMMAND pxegate_reference ${kind} ${PXEGATE_DATE} > ${path}
    DEPENDS pxegate_reference VERBATIM)
  set(reference_files ${reference_files} ${path} PARENT_SCOPE)
endfunction()
pxegate_reference_file(pxegate.8 pxegate.8)
pxegate_reference_file(pxegate.conf.5 pxegate.conf.5)
pxegate_reference_file(pxegate.conf pxegate.conf)
foreach(page pxegate.8 pxegate.conf.5)
  set(path ${PXEGATE_REFERENCE_DIR}/${page})
  add_custom_command(OUTPUT ${path}.gz
    COMMAND gzip -9nc ${path} > ${path}.gz DEPENDS ${path} VERBATIM)
  list(APPEND reference_files ${path}.gz)
endforeach()
pxegate_reference_file(bash completions/bash/pxegate)
pxegate_reference_file(zsh completions/zsh/_pxegate)
pxegate_reference_file(fish completions/fish/pxegate.fish)
pxegate_reference_file(configuration.md configuration.md)
add_custom_target(reference ALL DEPENDS ${reference_files})

# Renews docs/configuration.md.
add_custom_target(write_docs
  COMMAND ${CMAKE_COMMAND} -E copy ${PXEGATE_REFERENCE_DIR}/configuration.md
          ${PROJECT_SOURCE_DIR}/docs/configuration.md
  DEPENDS ${PXEGATE_REFERENCE_DIR}/configuration.md VERBATIM)
add_dependencies(write_docs reference)
