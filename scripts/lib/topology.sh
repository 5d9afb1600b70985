# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What hosts the provisioning network has and what runs on them, whether these are
# network namespaces (scripts/lab) or virtual machines (vagrant/). Source it with
# `roles` naming the folder scripts/roles.

# shellcheck disable=SC2034
server_address=192.0.2.1

# Prints "HOST NETWORK INTERFACE MAC ADDRESS" for every interface that matters.
interfaces() { grep -v '^#' "$(dirname "${BASH_SOURCE[0]}")/topology"; }

# Prints "HOST NETWORK MAC" for each machine that asks for an address.
nodes() { interfaces | awk '$3 == "eth0" { print $1, $2, $4 }'; }

dhcp_networks=(
  'flat,192.0.2.100,192.0.2.199,255.255.255.0'
  'leaf1,198.51.100.100,198.51.100.199,255.255.255.0'
  'leaf2,203.0.113.100,203.0.113.199,255.255.255.0'
  'vlan,198.18.7.100,198.18.7.199,255.255.255.0'
)

# service_command SERVICE STATE_DIR [INTERFACE,...]: puts the command that runs a
# service in the foreground into `argv`. INTERFACE: where the spine serves.
service_command() {
  local state=$2 served=${3:-prov0,prov7}
  case $1 in
    dhcp-server | dhcp-server-kea)
      argv=("$roles/$1" "$served" "$state/dhcp" "${dhcp_networks[@]}") ;;
    tftp-server) argv=("$roles/tftp-server" "$served" "$state/dhcp") ;;
    dhcp-relay) argv=("$roles/dhcp-relay" nodes0 uplink0 "$server_address") ;;
    keystone | rabbitmq) argv=("$roles/$1" serve "$state") ;;
    ironic-*) argv=("$roles/ironic" "${1#ironic-}" "$state") ;;
    *) return 1 ;;
  esac
}
