//! What `lab peer` can be told while it runs: one command a line.

use std::net::IpAddr;
use std::str::FromStr;

use anyhow::{Context, bail};
use fwd_core::net::IpPrefix;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `announce VRF PREFIX`: a local route of a VRF.
    Announce(String, IpPrefix),
    /// `withdraw VRF PREFIX`.
    Withdraw(String, IpPrefix),
    /// `next-hop ADDRESS up|down`: whether a BGP next hop is reached.
    NextHop(IpAddr, bool),
    /// `peers`: sessions and their state.
    Peers,
    /// `vpn`: the VPN routes of all peers and our own.
    Vpn,
    /// `vrf NAME`: the routes of a VRF.
    Vrf(String),
    /// `fib NAME`: what a VRF forwards.
    Fib(String),
    /// `counts`: messages by type, from the octets on TCP.
    Counts,
    /// `quit`.
    Quit,
}

impl Command {
    /// All commands, for people.
    pub const HELP: &str = "\
Commands, one a line, on standard input (--commands) or in [[at]] of the configuration:
  announce VRF PREFIX        withdraw VRF PREFIX
  next-hop ADDRESS up|down   whether a BGP next hop is reached; all are until told otherwise
  peers | vpn | vrf NAME | fib NAME | counts
  quit";

    /// The name by which the reply to it is known.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Announce(..) => "announce",
            Self::Withdraw(..) => "withdraw",
            Self::NextHop(..) => "next-hop",
            Self::Peers => "peers",
            Self::Vpn => "vpn",
            Self::Vrf(_) => "vrf",
            Self::Fib(_) => "fib",
            Self::Counts => "counts",
            Self::Quit => "quit",
        }
    }
}

impl FromStr for Command {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let prefix = |text: &str| text.parse::<IpPrefix>().with_context(|| format!("{text:?}"));
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["announce", vrf, at] => Self::Announce(vrf.into(), prefix(at)?),
            ["withdraw", vrf, at] => Self::Withdraw(vrf.into(), prefix(at)?),
            ["next-hop", address, state @ ("up" | "down")] => {
                Self::NextHop(address.parse().with_context(|| format!("{address:?}"))?, state == "up")
            }
            ["peers"] => Self::Peers,
            ["vpn"] => Self::Vpn,
            ["vrf", name] => Self::Vrf(name.into()),
            ["fib", name] => Self::Fib(name.into()),
            ["counts"] => Self::Counts,
            ["quit"] => Self::Quit,
            _ => bail!("{line:?} is not a command\n{}", Self::HELP),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_faults_named() {
        let announce: Command = "announce red 10.1.0.0/24".parse().unwrap();
        assert_eq!(announce, Command::Announce("red".into(), "10.1.0.0/24".parse().unwrap()));
        assert_eq!("next-hop ::1 down".parse::<Command>().unwrap(), Command::NextHop("::1".parse().unwrap(), false));
        assert!(format!("{:#}", "announce red 10.1.0.0".parse::<Command>().unwrap_err()).contains("address/length"));
        assert!("next-hop ::1 left".parse::<Command>().unwrap_err().to_string().contains("is not a command"));
    }
}
