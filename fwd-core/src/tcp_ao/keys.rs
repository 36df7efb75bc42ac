//! The Master Key Tuples of a host: who must authenticate, and with what a connection begins (RFC 5925 §3.3, §7.4, §7.5).

use alloc::vec::Vec;

use super::connection::{Connection, Dropped};
use super::crypto::CryptoProvider;
use super::mkt::{ConfigError, Mkt, Peers, SocketPair};
use super::segment::Segment;

/// What becomes of a SYN that has the option and for whose connection there is no tuple (RFC 5925 §7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// It is taken as if it had no option.
    #[default]
    Accept,
    /// It is dropped.
    Drop,
}

/// The tuples. Connections have copies of theirs: what changes here is of effect for connections that begin later.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    mkts: Vec<Mkt>,
    /// What becomes of SYNs of others that authenticate.
    pub unmatched: Unmatched,
    accepted: u64,
}

impl Keys {
    /// No tuple: nobody must authenticate.
    #[must_use]
    pub const fn new() -> Self {
        Self { mkts: Vec::new(), unmatched: Unmatched::Accept, accepted: 0 }
    }

    /// Adds a tuple behind the others: a connection that is opened here begins with the first that matches.
    ///
    /// # Errors
    /// A value that cannot be; a number that another tuple has whose connections overlap.
    pub fn add(&mut self, mkt: Mkt) -> Result<(), ConfigError> {
        mkt.validate()?;
        self.mkts.iter().try_for_each(|other| mkt.beside(other))?;
        self.mkts.push(mkt);
        Ok(())
    }

    /// Removes the tuple of these connections that the peer sends as `recv_id`.
    ///
    /// # Errors
    /// There is none.
    pub fn remove(&mut self, peers: &Peers, recv_id: u8) -> Result<(), ConfigError> {
        let is = |mkt: &Mkt| mkt.recv_id == recv_id && mkt.peers == *peers;
        let at = self.mkts.iter().position(is).ok_or(ConfigError::Unknown { field: "recv_id", id: recv_id })?;
        self.mkts.remove(at);
        Ok(())
    }

    /// The tuples of a connection.
    pub fn of(&self, pair: &SocketPair) -> impl Iterator<Item = &Mkt> {
        self.mkts.iter().filter(move |mkt| mkt.peers.matches(pair))
    }

    /// SYNs that had the option and were taken as if they had none.
    #[must_use]
    pub const fn accepted(&self) -> u64 {
        self.accepted
    }

    /// A connection is opened here (RFC 5925 §7.4, step 1a); `None`: it is not authenticated.
    #[must_use]
    pub fn open(&self, pair: SocketPair, isn: u32) -> Option<Connection> {
        let first = self.of(&pair).next()?;
        Some(Connection::new(pair, isn, self.of(&pair), first))
    }

    /// A SYN came for a connection that there is not yet; `isn`: the number that ours will begin with (RFC 5925 §7.5, step 1a). `None`: the
    /// connection is not authenticated.
    ///
    /// # Errors
    /// The segment must be dropped without an answer.
    pub fn accept(
        &mut self,
        pair: SocketPair,
        isn: u32,
        segment: &[u8],
        provider: &impl CryptoProvider,
    ) -> Result<Option<Connection>, Dropped> {
        let parsed = Segment::parse(segment).map_err(Dropped::Malformed)?;
        let option = parsed.option();
        if self.of(&pair).next().is_none() {
            return match (option, self.unmatched) {
                (Some(_), Unmatched::Drop) => Err(Dropped::UnknownKey),
                (Some(_), Unmatched::Accept) => {
                    self.accepted = self.accepted.saturating_add(1);
                    Ok(None)
                }
                (None, _) => Ok(None),
            };
        }
        let option = option.ok_or(Dropped::Missing)?;
        if !parsed.is_first() {
            return Err(Dropped::TooEarly);
        }
        let first = self.of(&pair).find(|mkt| mkt.recv_id == option.key_id).ok_or(Dropped::UnknownKey)?;
        let mut connection = Connection::new(pair, isn, self.of(&pair), first);
        connection.verify(segment, provider)?;
        Ok(Some(connection))
    }
}
