# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What scripts/demo and scripts/test share. Source it from the repository's
# root, with `set -euo pipefail`.

# One line for what begins now.
step() {
  printf '\n== %s\n' "$*"
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

require_root() {
  [[ $EUID -eq 0 ]] || die "needs root for namespaces and BPF: run \`sudo $0\`"
}

# configure_and_build PRESET [TARGET...]: says how long it took, and shows the
# compiler's words only when they matter.
configure_and_build() {
  local preset=$1 log=build/$1.log
  shift
  mkdir -p build
  if ! cmake --preset "$preset" > "$log" 2>&1; then
    cat "$log" >&2
    die "cannot configure the preset $preset (log: $log)"
  fi
  local targets=()
  if (($#)); then
    targets=(--target "$@")
  fi
  if ! cmake --build --preset "$preset" "${targets[@]}" >> "$log" 2>&1; then
    tail -n 60 "$log" >&2
    die "cannot build the preset $preset (log: $log)"
  fi
}

# What root built under sudo belongs to whom it is built for, so that the
# README's cmake works without sudo afterwards.
give_build_back() {
  if [[ -n ${SUDO_UID:-} && -d build ]]; then
    chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build
  fi
}

# bpffs is where the filter is pinned; a mount stays, like a package.
ensure_bpffs() {
  if [[ $(stat -f -c %T /sys/fs/bpf 2> /dev/null) != bpf_fs ]]; then
    mount -t bpf bpf /sys/fs/bpf || die "cannot mount bpffs at /sys/fs/bpf"
  fi
}
