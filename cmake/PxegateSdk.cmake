# SPDX-License-Identifier: Apache-2.0

# What drivers of other vendors are built and run against: the program exports
# the functions of the layers below them, so that a plugin shares its log and
# carries no second copy of anything, and the headers of these are installed
# with a CMake package.
include(CMakePackageConfigHelpers)

# Whole: a plugin may call what the program itself does not.
set(PXEGATE_SDK_LAYERS pxegate_base,pxegate_core,pxegate_driver)
set_target_properties(pxegate PROPERTIES ENABLE_EXPORTS ON
  LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,${PXEGATE_SDK_LAYERS}")
# Nothing else: a symbol of the program takes the place of one of that name in
# a plugin, and the rest of the program is nobody's interface.
set(PXEGATE_PRIVATE_LAYERS config ironic noop iptables dnsmasq nftables xdp
    sync unit doctor app)
list(TRANSFORM PXEGATE_PRIVATE_LAYERS REPLACE "(.+)" "libpxegate_\\1.a")
list(JOIN PXEGATE_PRIVATE_LAYERS ":" PXEGATE_PRIVATE_LAYERS)
target_link_options(pxegate
  PRIVATE "LINKER:--exclude-libs,${PXEGATE_PRIVATE_LAYERS}")

install(DIRECTORY controller/base controller/core
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pxegate/controller
        COMPONENT dev FILES_MATCHING PATTERN "*.h")
install(FILES controller/driver/driver_module.h
              controller/driver/filter_driver.h controller/driver/finding.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/pxegate/controller/driver
        COMPONENT dev)

set(PXEGATE_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/pxegate)
configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/pxegateConfig.cmake.in
  ${PROJECT_BINARY_DIR}/package/pxegateConfig.cmake
  INSTALL_DESTINATION ${PXEGATE_PACKAGE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
# A driver is for one version of pxegate.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/package/pxegateConfigVersion.cmake
  COMPATIBILITY ExactVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/pxegateConfig.cmake
              ${PROJECT_BINARY_DIR}/package/pxegateConfigVersion.cmake
        DESTINATION ${PXEGATE_PACKAGE_DIR} COMPONENT dev)
