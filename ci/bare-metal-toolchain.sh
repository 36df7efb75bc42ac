#!/usr/bin/env bash
# bare-metal-toolchain.sh DIR: unpacks Debian's matched rustc and standard library sources ("rustc-web") into DIR, for
# -Zbuild-std. Nothing is installed system-wide. DIR/rustc is the compiler.
set -euo pipefail
dir=$(realpath -m "${1:?directory}")
[ -x "$dir/rustc" ] && exit 0
candidate() { apt-cache policy rustc-web | awk '/Candidate:/ { print $2 }'; }
version=$(candidate)
if [ -z "$version" ] || [ "$version" = "(none)" ]; then
  apt-get update -q
  version=$(candidate)
fi
series=$(cut -d. -f1,2 <<<"$version")
llvm=$(apt-cache show "libstd-rust-web-$series=$version" | sed -n 's/^Depends:.*\(libllvm[0-9]*\).*/\1/p' | sort -u)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# As root apt warns that its own user cannot write here.
apt-get download -q "rustc-web=$version" "libstd-rust-web-dev=$version" "libstd-rust-web-$series=$version" \
  "rust-web-src=$version" "$llvm" >/dev/null 2>"$work/log" || { cat "$work/log"; exit 1; }
mkdir -p "$dir"
for package in *.deb; do
  case $package in
    rust-web-src*)
      dpkg-deb --fsys-tarfile "$package" |
        tar -x -C "$dir" --wildcards './usr/src/rustc-*/library' './usr/lib/rustlib/src*' ;;
    *) dpkg-deb --fsys-tarfile "$package" | tar -x -C "$dir" --exclude './usr/share*' ;;
  esac
done
cat >"$dir/rustc" <<END
#!/bin/sh
LD_LIBRARY_PATH=$dir/usr/lib/x86_64-linux-gnu exec $dir/usr/bin/rustc "\$@"
END
chmod +x "$dir/rustc"
"$dir/rustc" -V
