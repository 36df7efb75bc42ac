#!/bin/bash
# Label Mappings read and written beside holo-ldp, in one program: ci/holo-ldp/run.sh CHECKOUT, of https://github.com/holo-routing/holo.
# holo-ldp's own crates need libyang (C); its packet module does not, so the module is compiled alone with what it uses of holo-utils.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
holo=$(cd "${1:?a checkout of holo}" && pwd)
work=${CARGO_TARGET_DIR:-$top/target}/holo-ldp
rm -rf "$work/yang" "$work/utils" "$work/src"
mkdir -p "$work/yang/src" "$work/utils/src" "$work/src"

cat >"$work/yang/src/lib.rs" <<'RS'
use std::borrow::Cow;
pub trait ToYang {
    fn to_yang(&self) -> Cow<'static, str>;
}
pub trait TryFromYang: Sized {
    fn try_from_yang(value: &str) -> Option<Self>;
}
RS
printf '[package]\nname = "holo-yang"\nedition = "2024"\n' >"$work/yang/Cargo.toml"

for module in bytes ip mac_addr mpls; do cp "$holo/holo-utils/src/$module.rs" "$work/utils/src/"; done
sed -i '/+ tokio::net::ToSocketAddrs/d' "$work/utils/src/ip.rs"
printf 'pub mod bytes;\npub mod ip;\npub mod mac_addr;\npub mod mpls;\n' >"$work/utils/src/lib.rs"
cat >"$work/utils/Cargo.toml" <<'TOML'
[package]
name = "holo-utils"
edition = "2024"
[dependencies]
arbitrary = { version = "1.4", features = ["derive"] }
bytes = { version = "1", features = ["serde"] }
derive-new = "0.7"
holo-yang = { path = "../yang" }
ipnetwork = { version = "0.21", features = ["serde"] }
itertools = "0.14"
num-derive = "0.4"
num-traits = "0.2"
prefix-trie = { version = "0.9", default-features = false, features = ["ipnetwork"] }
serde = { version = "1.0", features = ["derive", "rc"] }
TOML

cp -r "$holo/holo-ldp/src/packet" "$work/src/packet"
cp "$here/main.rs" "$work/src/main.rs"
cat >"$work/Cargo.toml" <<TOML
[package]
name = "holo-beside"
edition = "2024"
[workspace]
members = ["yang", "utils"]
[dependencies]
bitflags = { version = "2", features = ["serde"] }
bytes = { version = "1", features = ["serde"] }
derive-new = "0.7"
enum-as-inner = "0.7"
fwd-core = { path = "$top/fwd-core" }
holo-utils = { path = "utils" }
ipnetwork = { version = "0.21", features = ["serde"] }
num-derive = "0.4"
num-traits = "0.2"
p2mp-pw = { path = "$top/p2mp-pw" }
serde = { version = "1.0", features = ["derive", "rc"] }
serde_with = "3"
tracing = "0.1"
[profile.release]
lto = "thin"
codegen-units = 1
TOML
cd "$work"
CARGO_TARGET_DIR="$work/target" cargo run --release --quiet
