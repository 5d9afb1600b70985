# SPDX-License-Identifier: Apache-2.0

# What is installed besides the program and what plugins are built with; and
# the Debian packages, which `cpack` makes and scripts/package checks.
add_executable(pxegate_generator controller/app/generator_main.cc)
target_link_libraries(pxegate_generator PRIVATE pxegate_unit)
set_target_properties(pxegate_generator PROPERTIES
  OUTPUT_NAME pxegate-generator)
target_link_options(pxegate_generator PRIVATE LINKER:--as-needed)

# Below the prefix, as all else; for systemd that is /usr.
set(PXEGATE_SYSTEMD_DIR lib/systemd)
install(TARGETS pxegate_generator
        RUNTIME DESTINATION ${PXEGATE_SYSTEMD_DIR}/system-generators)
# Where the program is, the installation knows.
install(CODE "
  file(READ \"${PROJECT_SOURCE_DIR}/cmake/package/pxegate.service.in\" unit)
  string(REPLACE @bindir@ \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\"
         unit \"\${unit}\")
  file(WRITE \"${PROJECT_BINARY_DIR}/package/pxegate.service\" \"\${unit}\")"
  COMPONENT pxegate)
install(FILES ${PROJECT_BINARY_DIR}/package/pxegate.service
        DESTINATION ${PXEGATE_SYSTEMD_DIR}/system)
install(FILES cmake/package/pxegate.sysusers RENAME pxegate.conf
        DESTINATION lib/sysusers.d)
install(FILES cmake/package/pxegate.tmpfiles RENAME pxegate.conf
        DESTINATION lib/tmpfiles.d)
install(FILES cmake/package/behind-pxegate.conf
              cmake/package/with-pxegate.conf
        DESTINATION ${CMAKE_INSTALL_DATADIR}/pxegate)
# The configuration belongs to the system's /etc, which is a package's business:
# an installation elsewhere leaves it alone.
install(CODE "
  if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
    file(INSTALL \"${PXEGATE_REFERENCE_DIR}/pxegate.conf\"
         DESTINATION /etc/pxegate
         PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
  endif()" COMPONENT pxegate)
install(FILES ${PXEGATE_REFERENCE_DIR}/pxegate.8.gz
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${PXEGATE_REFERENCE_DIR}/pxegate.conf.5.gz
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${PXEGATE_REFERENCE_DIR}/completions/bash/pxegate
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${PXEGATE_REFERENCE_DIR}/completions/zsh/_pxegate
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${PXEGATE_REFERENCE_DIR}/completions/fish/pxegate.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

set(PXEGATE_DOC_DIR ${CMAKE_INSTALL_DATADIR}/doc/pxegate)
install(FILES README.md ${PXEGATE_REFERENCE_DIR}/pxegate.conf
        DESTINATION ${PXEGATE_DOC_DIR})
install(DIRECTORY docs DESTINATION ${PXEGATE_DOC_DIR}
        FILES_MATCHING PATTERN "*.md" PATTERN "*.json" PATTERN "*.y*ml")
foreach(driver dnsmasq iptables nftables noop xdp)
  install(FILES drivers/${driver}/README.md RENAME ${driver}.md
          DESTINATION ${PXEGATE_DOC_DIR}/drivers)
endforeach()

# Of the Debian packages alone: Debian's own files.
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/package/changelog.gz
  COMMAND gzip -9nc ${PXEGATE_CHANGELOG}
          > ${PROJECT_BINARY_DIR}/package/changelog.gz
  DEPENDS ${PXEGATE_CHANGELOG} VERBATIM)
add_custom_target(package_files ALL
  DEPENDS ${PROJECT_BINARY_DIR}/package/changelog.gz)
foreach(component pxegate dev)
  set(package pxegate)
  if(component STREQUAL "dev")
    set(package pxegate-dev)
  endif()
  foreach(file ${PROJECT_BINARY_DIR}/package/changelog.gz
               ${PROJECT_SOURCE_DIR}/cmake/package/copyright)
    install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package}
            COMPONENT ${component})
  endforeach()
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME pxegate)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT
    "pxegate developers <pxegate@localhost.localdomain>")
# With DESTDIR, so that /etc is /etc.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL pxegate dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PXEGATE_PACKAGE_NAME pxegate)
set(CPACK_DEBIAN_PXEGATE_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PXEGATE_PACKAGE_SHLIBDEPS ON)
# systemd brings sysusers and tmpfiles along; it need not run. procps has the
# /bin/kill of `systemctl reload`.
set(CPACK_DEBIAN_PXEGATE_PACKAGE_DEPENDS "systemd, passwd, procps")
set(CPACK_DEBIAN_PXEGATE_PACKAGE_SUGGESTS
    "dnsmasq-base | kea-dhcp4-server, iptables, ipset, nftables")
set(CPACK_DEBIAN_PXEGATE_DESCRIPTION
"It keeps machines that OpenStack Ironic is not inspecting away from the DHCP
server that inspection uses: an XDP program on the provisioning NIC drops their
DHCP and PXE requests, also relayed ones, and is kept in step with Ironic.
nftables, iptables and dnsmasq can enforce the same policy.")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY
    "network-boot filter in step with OpenStack Ironic")
set(CPACK_DEBIAN_PXEGATE_PACKAGE_CONTROL_EXTRA
    ${PROJECT_SOURCE_DIR}/cmake/package/conffiles
    ${PROJECT_SOURCE_DIR}/cmake/package/postinst
    ${PROJECT_SOURCE_DIR}/cmake/package/prerm
    ${PROJECT_SOURCE_DIR}/cmake/package/postrm)

set(CPACK_DEBIAN_DEV_PACKAGE_NAME pxegate-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    "pxegate (= ${PROJECT_VERSION}), libexpected-dev, libfmt-dev, libspdlog-dev")
set(CPACK_DEBIAN_DEV_DESCRIPTION
"Headers and a CMake package for filter drivers of pxegate: shared objects that
it loads, each built for one version of it.")
# `cpack` packs what is built, tests or not.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
include(CPack)
