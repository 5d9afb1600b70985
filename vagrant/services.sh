# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# How services run on a virtual machine. vagrant/provision sources it, and sets `root`.

# shellcheck disable=SC2034
state=/var/lib/pxegate-lab
# shellcheck disable=SC2034
config=/etc/pxegate/pxegate.conf
# shellcheck disable=SC2034
pxegate=/usr/local/bin/pxegate
# shellcheck disable=SC2034
pins=

# install HOST: all that the host's services need.
install() {
  local service
  : "${root:?}"
  mkdir -p /etc/pxegate "$state"
  case $1 in
    spine) "$root/scripts/packages" build lab ;;
    *) "$root/scripts/packages" relay ;;
  esac
  # Debian's own would take their ports when the machine starts again.
  for service in isc-dhcp-relay kea-dhcp4-server keystone rabbitmq-server \
    ironic-api ironic-conductor ironic-inspector; do
    systemctl disable --quiet --now "$service" 2>/dev/null || true
  done
  [[ $1 == spine ]] || return 0
  # Outside the synchronized folder, so that it outlives its next synchronization.
  cmake -S "$root" -B /var/cache/pxegate-build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo
  cmake --build /var/cache/pxegate-build --target pxegate
  cmake --install /var/cache/pxegate-build --prefix /usr/local
}

service_runs() { systemctl --quiet is-active "pxegate-lab-$1"; }

# run_service NAME COMMAND...
run_service() {
  local unit=pxegate-lab-$1
  shift
  systemctl reset-failed "$unit" 2>/dev/null || true
  # It is gone after a restart of the machine, and then made anew.
  systemd-run --quiet --unit="$unit" --property=RuntimeDirectory=pxegate \
    --property=RuntimeDirectoryPreserve=yes --property=Restart=on-failure \
    --property=RestartSec=2 -- "$@"
}

reload_service() { systemctl kill --kill-who=main --signal=HUP "pxegate-lab-$1"; }
