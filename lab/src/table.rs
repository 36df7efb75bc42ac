//! The prefixes of a real full table, packaged with the repository (`lab/data/ORIGIN.md`).

use std::io::Read as _;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};

static PREFIXES: &[u8] = include_bytes!("../data/prefixes.txt.gz");

/// A full table, in ascending order of text lines: IPv4 and IPv6.
#[derive(Clone, Debug, Default)]
pub struct FullTable {
    /// IPv4 prefixes.
    pub v4: Vec<Ipv4Prefix>,
    /// IPv6 prefixes.
    pub v6: Vec<Ipv6Prefix>,
}

impl FullTable {
    /// Reads the packaged table.
    ///
    /// # Errors
    /// A file that is damaged.
    pub fn read() -> Result<Self> {
        let mut text = String::new();
        GzDecoder::new(PREFIXES).read_to_string(&mut text).context("lab/data/prefixes.txt.gz")?;
        let mut table = Self::default();
        for line in text.lines() {
            if line.contains(':') {
                table.v6.push(line.parse().with_context(|| line.to_owned())?);
            } else {
                table.v4.push(line.parse().with_context(|| line.to_owned())?);
            }
        }
        Ok(table)
    }

    /// Keeps about `most` prefixes, spread evenly over the table and over both families in their proportion.
    #[must_use]
    pub fn thinned(self, most: usize) -> Self {
        let all = self.v4.len() + self.v6.len();
        if most >= all {
            return self;
        }
        let v4 = (self.v4.len() * most).div_ceil(all).min(most);
        Self { v4: spread(self.v4, v4), v6: spread(self.v6, most - v4) }
    }
}

fn spread<T: Copy>(items: Vec<T>, keep: usize) -> Vec<T> {
    (0..keep).map(|n| items[n * items.len() / keep]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packaged_table_is_whole() {
        let table = FullTable::read().unwrap();
        assert_eq!((table.v4.len(), table.v6.len()), (901_899, 160_147));
        assert_eq!(table.v4[0], "1.0.0.0/24".parse().unwrap());
        let thin = table.thinned(1000);
        assert_eq!(thin.v4.len() + thin.v6.len(), 1000);
        assert!(thin.v6.len() > 100);
        let mut sorted = thin.v4.clone();
        sorted.dedup();
        assert_eq!(sorted.len(), thin.v4.len());
    }
}
