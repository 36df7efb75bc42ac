#!/bin/bash
# First process of a user-mode Linux whose root is this machine's file system: MPLS and VRF devices, then the script of the test.
# W (a directory of the test) and MODULES (where the kernel's modules are) come from the kernel's command line.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t tmpfs tmp /var/tmp
# What the kernel loads by itself, algorithms among others.
printf '#!/bin/sh\nexec /usr/sbin/modprobe -d %s "$@"\n' "$MODULES" >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
for module in ipv6 veth dummy vrf mpls_router mpls_iptunnel; do
  modprobe -d "$MODULES" "$module" || echo "no module $module"
done
ip link set lo up
cd "$W" && bash -x ./guest.sh >guest.log 2>&1
echo o >/proc/sysrq-trigger
sleep 5
