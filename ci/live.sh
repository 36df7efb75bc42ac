#!/usr/bin/env bash
# Live tests: our routers against FRR, pimd, GoBGP, ExaBGP, BIRD, OpenBGPD, strongSwan, libreswan and xl2tpd in network namespaces, with tshark as an independent decoder.
# Installs them, needs root. Where namespaces are impossible this fails: a test that could not run is no pass.
set -euo pipefail
cd "$(dirname "$0")/.."
export DEBIAN_FRONTEND=noninteractive CARGO_TERM_COLOR=never

missing=''
for program in /usr/lib/frr/bgpd vtysh gobgpd gobgp bird birdc bgpctl tshark tcpdump ip ping ethtool debootstrap depmod snmpd snmptrapd snmpbulkwalk nfcapd /usr/lib/ipsec/charon swanctl; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
  echo "installing for$missing"
  # Packages start their services unless told not to, and a bgpd on port 179 of the host is none of ours.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -q
  apt-get install -q -y --no-install-recommends frr gobgpd bird2 openbgpd tshark tcpdump iproute2 iputils-ping ethtool debootstrap kmod \
    procps snmpd snmp snmptrapd nfdump strongswan-charon strongswan-swanctl libcharon-extra-plugins \
    libstrongswan-standard-plugins libstrongswan-extra-plugins
fi

# unpack DIRECTORY PACKAGE...: packages unpacked and not installed, because of what they depend on or exclude. The directory is there once
# all of it is.
unpack() {
  local directory=$1 package
  shift
  rm -rf "$directory" "$directory.unready"
  mkdir -p "$directory.unready"
  for package; do
    (cd "$directory.unready" && { apt-get download -q "$package" || { apt-get update -q && apt-get download -q "$package"; }; })
    dpkg -x "$directory.unready/$package"_*.deb "$directory.unready"
  done
  mv "$directory.unready" "$directory"
}

# A Linux with MPLS, VRF devices, GRE, ESP and PPP.
export LAB_UML="$PWD/target/uml"
[ -d "$LAB_UML" ] || unpack "$LAB_UML" user-mode-linux
if [ ! -d "$LAB_UML/modules" ]; then
  rm -rf "$LAB_UML/unready"
  version=$(ls "$LAB_UML/usr/lib/uml/modules")
  mkdir -p "$LAB_UML/unready/lib/modules"
  cp -r "$LAB_UML/usr/lib/uml/modules/$version" "$LAB_UML/unready/lib/modules/"
  depmod -b "$LAB_UML/unready" "$version"
  mv "$LAB_UML/unready" "$LAB_UML/modules"
fi

# FRR 10 of Debian trixie: its pimd and pim6d are what our multicast router is tried against. Bookworm's FRR 8.4 has no pim6d.
export LAB_TRIXIE="$PWD/target/trixie"
if [ ! -x "$LAB_TRIXIE/usr/lib/frr/pim6d" ]; then
  rm -rf "$LAB_TRIXIE"
  debootstrap --variant=minbase trixie "$LAB_TRIXIE" >/dev/null
  printf '#!/bin/sh\nexit 101\n' >"$LAB_TRIXIE/usr/sbin/policy-rc.d"
  chmod 755 "$LAB_TRIXIE/usr/sbin/policy-rc.d"
  chroot "$LAB_TRIXIE" apt-get install -q -y --no-install-recommends frr
fi

# Debian's pimd excludes frr as a package.
pimd="$PWD/target/pimd"
[ -d "$pimd" ] || unpack "$pimd" pimd
export LAB_PIMD="$pimd/usr/sbin/pimd"

# Libreswan, which excludes strongSwan, and its libraries.
export LAB_LIBRESWAN="$PWD/target/libreswan"
[ -d "$LAB_LIBRESWAN" ] || unpack "$LAB_LIBRESWAN" libreswan libnss3-tools libnss3 libnspr4 libldns3 libunbound8 libevent-2.1-7 \
  libevent-core-2.1-7 libevent-pthreads-2.1-7 libcurl3-nss libcap-ng0 libldap-2.5-0 libsasl2-2 libnghttp2-14 librtmp1 libssh2-1 libpsl5 \
  libbrotli1 libpam0g libseccomp2

# An L2TP daemon, which the guest alone is to run.
export LAB_L2TP="$PWD/target/l2tp"
[ -d "$LAB_L2TP" ] || unpack "$LAB_L2TP" xl2tpd ppp

# ExaBGP 5, which Debian has not got, in a virtual environment of Python.
export LAB_EXABGP="$PWD/target/exabgp/bin/exabgp"
if [ ! -x "$LAB_EXABGP" ]; then
  rm -rf "$PWD/target/exabgp"
  python3 -m venv "$PWD/target/exabgp"
  "$PWD/target/exabgp/bin/pip" install -q exabgp==5.0.15
fi

# Namespaces, or nothing.
probe="live-probe-$$"
ip netns add "$probe"
ip netns exec "$probe" true
ip netns del "$probe"

# Most of a test's time is waiting, for hold times and partitions among others: many at once.
live() { cargo test --workspace --features lab/elsewhere,lab/live --test live -- "$@"; }
log="${CARGO_TARGET_DIR:-target}/ci/live-first.log"
mkdir -p "${log%/*}"
if live --test-threads="${LIVE_THREADS:-6}" >"$log" 2>&1; then
  cat "$log"
  exit
fi
# Six at once, with daemons whose timers are their own, may starve one another: what failed is tried once more, alone, and fails for good if
# it fails again. Its first failure is shown as such.
sed 's/^test result: /first try: /; s/ \.\.\. FAILED$/ ... failed at the first try/' "$log"
mapfile -t failed < <(awk '/^failures:$/ { n = 0 } /^    [a-z0-9_:]+$/ { names[++n] = $1 } END { for (i = 1; i <= n; i++) print names[i] }' "$log")
# More than a few are no accident, and none means that it did not even build.
if [ "${#failed[@]}" -lt 1 ] || [ "${#failed[@]}" -gt 3 ]; then exit 1; fi
printf 'once more, alone: %s\n' "${failed[@]}"
live --test-threads=1 --exact "${failed[@]}"
