# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# vagrant/services.sh, for a network namespace instead of a virtual machine: all is
# installed, and services are plain processes.

state=${PXEGATE_STATE:?}
config=$state/pxegate.conf
pxegate=${PXEGATE_BINARY:?}
pins=${PXEGATE_PINS:?}

install() { mkdir -p "$state/services"; }

service_runs() { [[ -e $state/services/$1 ]] && kill -0 "$(<"$state/services/$1")" 2>/dev/null; }

run_service() {
  local name=$1
  shift
  setsid "$@" </dev/null >>"$state/$name.log" 2>&1 &
  printf '%s\n' $! >"$state/services/$name"
}

reload_service() { kill -HUP "$(<"$state/services/$1")"; }
