//! Arbitrary stimuli against one session, by any owner and any peer. Shared with the fuzz target `drive_session`.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use bgp_vpn::message::capability::Capability;
use bgp_vpn::message::{ErrorCode, Header, Message, Notification, Open, RouteRefresh};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Input, LocalIdentity, Output, PeerConfig, Session, SessionConfig, State};
use bgp_vpn::speaker::Side;
use fwd_core::time::Instant;

/// What the owner knows of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tcp {
    up: bool,
    open_sent: bool,
    /// A NOTIFICATION was sent: nothing but the close may follow.
    ending: bool,
}

#[derive(Debug)]
struct Drive {
    session: Session,
    now: Instant,
    tcp: [Tcp; 2],
    established: Option<Side>,
    started: bool,
}

/// Reads a configuration and a list of stimuli from `data`, plays them, and checks after each.
pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(config) = config(&mut u) else { return };
    let session = Session::new(Instant::ZERO, config).expect("a valid configuration");
    let mut drive = Drive { session, now: Instant::ZERO, tcp: [Tcp::default(); 2], established: None, started: false };
    for _ in 0..400 {
        if u.is_empty() || drive.stimulus(&mut u).is_err() {
            break;
        }
    }
}

fn config(u: &mut Unstructured<'_>) -> Result<SessionConfig> {
    let ip = |n: u8| std::net::IpAddr::from([192, 0, 2, n]);
    let flags: u16 = u.arbitrary()?;
    let flag = |n: u32| flags >> n & 1 == 1;
    let remote_as = if flag(0) { 65001 } else { 65002 };
    let mut peer = PeerConfig::new(ip(2), ip(1), remote_as, &[Family::VPN_IPV4, Family::IPV4_UNICAST]);
    peer.passive = flag(1);
    peer.extended_messages = flag(2);
    peer.graceful_restart = flag(3).then_some(Duration::from_secs(120));
    peer.timers.delay_open = flag(4).then_some(Duration::from_secs(u64::from(flags >> 13)));
    peer.timers.idle_hold = flag(5).then_some(Duration::from_secs(5));
    peer.timers.hold = Duration::from_secs(if flag(6) { 0 } else { 9 });
    peer.families[0].add_path_receive = flag(7);
    peer.families[0].max_labels = if flag(8) { 3 } else { 1 };
    peer.families[0].extended_next_hop = flag(9);
    let local = LocalIdentity { asn: 65001, router_id: [10, 0, 0, 1 + u8::from(flag(10))].into() };
    Ok(SessionConfig { local, peer, seed: u.arbitrary()?, restarted: flag(11) })
}

/// An OPEN that is mostly welcome.
fn open(u: &mut Unstructured<'_>, remote_as: u32) -> Result<Open> {
    let mut capabilities = vec![Capability::Multiprotocol(Family::VPN_IPV4), Capability::FourOctetAs(remote_as)];
    if u.arbitrary()? {
        capabilities.extend(u.arbitrary_iter()?.take(6).collect::<Result<Vec<Capability>>>()?);
    }
    let hold_time = u.choose(&[0, 1, 3, 9, 90])?;
    let identifier = [10, 0, 0, u.int_in_range(0..=3)?].into();
    Open::new(remote_as, *hold_time, identifier, capabilities).ok_or(arbitrary::Error::IncorrectFormat)
}

const fn index(side: Side) -> usize {
    match side {
        Side::Outgoing => 0,
        Side::Incoming => 1,
    }
}

impl Drive {
    fn stimulus(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let choice: u8 = u.int_in_range(0..=21)?;
        let side = if u.arbitrary()? { Side::Outgoing } else { Side::Incoming };
        match choice {
            0 | 1 => {
                self.started = true;
                self.input(Input::Start);
            }
            2 => {
                self.started = false;
                self.input(Input::Stop(Notification::administrative(2, "bye")));
                assert_eq!((self.session.state(), self.session.next_timeout()), (State::Idle, None));
            }
            3 => self.input(Input::Reset(u.arbitrary()?)),
            4..=6 => {
                // Asked for or not. Another incoming connection replaces the one there is; another outgoing one is ignored.
                if side == Side::Incoming || !self.tcp[0].up {
                    self.tcp[index(side)] = Tcp { up: true, ..Tcp::default() };
                }
                let _ = self.session.admits_incoming();
                self.input(Input::Connected { side });
            }
            7 => {
                self.tcp[index(side)] = Tcp::default();
                self.input(Input::Closed { side });
            }
            8 => {
                let octets: Vec<u8> = u.arbitrary()?;
                self.stream(side, &octets);
            }
            9..=15 => self.message(side, u)?,
            16 => self.input(Input::Writable { side, room: u.arbitrary()? }),
            17 => self.input(Input::UpdateError(u.arbitrary()?)),
            18 => self.input(Input::UpdateSent),
            19 => self.input(Input::Refresh(u.arbitrary()?)),
            20 => self.wait(Duration::from_millis(u.int_in_range(0..=20_000)?)),
            _ => {
                // To the next timer.
                if let Some(at) = self.session.next_timeout() {
                    self.wait(at - self.now);
                }
            }
        }
        Ok(())
    }

    fn message(&mut self, side: Side, u: &mut Unstructured<'_>) -> Result<()> {
        let mut octets = Vec::new();
        let remote_as = self.session.config().peer.remote_as;
        for _ in 0..u.int_in_range(1..=4)? {
            match u.int_in_range(0..=7)? {
                0..=2 => Message::Open(open(u, remote_as)?).emit(&mut octets),
                3 | 4 => Message::Keepalive.emit(&mut octets),
                5 => Message::Update(&[0; 4]).emit(&mut octets),
                6 => Message::RouteRefresh(u.arbitrary::<RouteRefresh>()?).emit(&mut octets),
                _ => Message::Notification(u.arbitrary::<Notification>()?).emit(&mut octets),
            }
        }
        if u.ratio(1, 8)? && !octets.is_empty() {
            let at = u.choose_index(octets.len())?;
            octets[at] = u.arbitrary()?;
        }
        let cut = u.int_in_range(0..=octets.len())?;
        self.stream(side, &octets[..cut]);
        self.stream(side, &octets[cut..]);
        Ok(())
    }

    fn stream(&mut self, side: Side, octets: &[u8]) {
        self.input(Input::Stream { side, octets });
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.session.handle_timeout(self.now);
        assert!(self.session.next_timeout().is_none_or(|at| at > self.now), "a timer in the past");
        self.drain(usize::MAX);
    }

    fn input(&mut self, input: Input<'_>) {
        let allowed = match &input {
            Input::Stream { octets, .. } => 8 + 2 * (octets.len() / Header::LEN + 1),
            _ => 12,
        };
        self.session.handle_input(self.now, input);
        self.drain(allowed);
    }

    fn drain(&mut self, allowed: usize) {
        let mut outputs = 0;
        while let Some(output) = self.session.poll_output() {
            outputs += 1;
            match output {
                Output::Connect => assert!(self.started, "no attempt after a stop"),
                Output::Close { side } => self.tcp[index(side)] = Tcp::default(),
                Output::Send { side, octets } => self.sent(side, &octets),
                Output::Established { side, negotiated } => {
                    assert_eq!(self.established.replace(side), None, "two sessions at once");
                    assert!(!negotiated.families.is_empty() && negotiated.max_message_len >= 4096);
                }
                Output::Update(_) | Output::Refresh(_) => assert!(self.established.is_some()),
                Output::Down(down) => assert_eq!(down.established, self.established.take().is_some()),
            }
        }
        assert!(outputs <= allowed, "{outputs} outputs, {allowed} allowed");
        assert_eq!(self.session.established_side(), self.established);
        assert_eq!(self.session.negotiated().is_some(), self.established.is_some());
        assert_eq!(self.session.state() == State::Established, self.established.is_some());
        assert!(self.started || self.session.state() == State::Idle);
    }

    /// What leaves is whole and in order: an OPEN first, a NOTIFICATION last.
    fn sent(&mut self, side: Side, octets: &[u8]) {
        let tcp = &mut self.tcp[index(side)];
        assert!(tcp.up, "octets for a connection that is not up");
        assert!(!tcp.ending, "octets after a NOTIFICATION");
        assert!(octets.len() <= Header::MAX_MESSAGE_LEN);
        match Message::parse(octets).expect("a whole message") {
            Message::Open(_) => {
                assert!(!tcp.open_sent, "two OPENs");
                tcp.open_sent = true;
            }
            Message::Notification(n) => {
                assert!(tcp.open_sent || n.code != ErrorCode::HOLD_TIMER_EXPIRED);
                tcp.ending = true;
            }
            Message::Keepalive | Message::RouteRefresh(_) => assert!(tcp.open_sent),
            Message::Update(_) => panic!("a session sends no UPDATEs"),
        }
    }
}
