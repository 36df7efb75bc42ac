//! Reading pcap (draft-ietf-opsawg-pcap) and pcapng (draft-ietf-opsawg-pcapng).
//!
//! Lenient where captures in the wild are: a snapshot length smaller than a frame's original length is ordinary, and an
//! unknown block of pcapng is skipped.

use std::io::{self, Read};
use std::time::Duration;

use super::LinkType;

/// A frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Its number, from 1, as other tools count.
    pub number: u64,
    /// When it was captured, since 1970.
    pub time: Duration,
    /// What its octets begin with.
    pub link_type: LinkType,
    /// The octets, perhaps cut short.
    pub octets: Vec<u8>,
}

/// Why a capture cannot be read, or not further.
#[derive(Debug)]
pub enum CaptureError {
    /// The file cannot be read, or ends inside a record.
    Io(io::Error),
    /// The file does not begin like a capture.
    NotACapture,
    /// A record of an impossible length.
    Length(u64),
}

impl std::fmt::Display for CaptureError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the capture ends inside a record")
            }
            Self::Io(error) => error.fmt(f),
            Self::NotACapture => f.write_str("neither pcap nor pcapng"),
            Self::Length(n) => write!(f, "a record of impossible length {n}"),
        }
    }
}

impl std::error::Error for CaptureError {}

impl From<io::Error> for CaptureError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The longest frame or block that is believed.
const MAX_RECORD: u64 = 16 << 20;

#[derive(Clone, Copy, Debug)]
struct Order {
    big: bool,
}

impl Order {
    fn u32(self, octets: &[u8], at: usize) -> u32 {
        let octets = octets.get(at..at + 4).and_then(|o| o.first_chunk()).copied().unwrap_or_default();
        if self.big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
    }

    fn u16(self, octets: &[u8], at: usize) -> u16 {
        let octets = octets.get(at..at + 2).and_then(|o| o.first_chunk()).copied().unwrap_or_default();
        if self.big { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: LinkType,
    /// Ticks in a second.
    resolution: u64,
}

#[derive(Debug)]
enum Format {
    Pcap { order: Order, link_type: LinkType, nanoseconds: bool },
    Pcapng { order: Order, interfaces: Vec<Interface> },
}

/// The frames of a capture, one at a time. After an error there are no more.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    format: Format,
    frames: u64,
    done: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// Input that is no capture.
    pub fn new(mut input: R) -> Result<Self, CaptureError> {
        let magic: [u8; 4] = array(&mut input)?;
        let format = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => pcap_header(&mut input, true, false)?,
            [0xa1, 0xb2, 0x3c, 0x4d] => pcap_header(&mut input, true, true)?,
            [0xd4, 0xc3, 0xb2, 0xa1] => pcap_header(&mut input, false, false)?,
            [0x4d, 0x3c, 0xb2, 0xa1] => pcap_header(&mut input, false, true)?,
            SECTION => Format::Pcapng { order: section_header(&mut input)?, interfaces: Vec::new() },
            _ => return Err(CaptureError::NotACapture),
        };
        Ok(Self { input, format, frames: 0, done: false })
    }

    fn read(&mut self) -> Result<Option<Captured>, CaptureError> {
        match &mut self.format {
            Format::Pcap { order, link_type, nanoseconds } => {
                let Some(header) = array_or_end::<16>(&mut self.input)? else { return Ok(None) };
                let len = u64::from(order.u32(&header, 8));
                let fraction = u64::from(order.u32(&header, 4)) * if *nanoseconds { 1 } else { 1000 };
                let time = Duration::from_secs(order.u32(&header, 0).into()) + Duration::from_nanos(fraction);
                let link_type = *link_type;
                let octets = octets(&mut self.input, len)?;
                self.frames += 1;
                Ok(Some(Captured { number: self.frames, time, link_type, octets }))
            }
            Format::Pcapng { order, interfaces } => {
                let Some(frame) = next_pcapng(&mut self.input, order, interfaces)? else { return Ok(None) };
                self.frames += 1;
                Ok(Some(Captured { number: self.frames, ..frame }))
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Captured, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read().transpose();
        self.done = !matches!(read, Some(Ok(_)));
        read
    }
}

fn pcap_header(input: &mut impl Read, big: bool, nanoseconds: bool) -> Result<Format, CaptureError> {
    let rest: [u8; 20] = array(input)?;
    let order = Order { big };
    // The upper bits of the last field say how long the frame check sequence is.
    let link_type = LinkType(order.u32(&rest, 16) & 0xffff);
    Ok(Format::Pcap { order, link_type, nanoseconds })
}

const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Reads the section header block behind its type, which reads the same in both orders.
fn section_header(input: &mut impl Read) -> Result<Order, CaptureError> {
    let head: [u8; 8] = array(input)?;
    let order = match head.last_chunk() {
        Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order { big: true },
        Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order { big: false },
        _ => return Err(CaptureError::NotACapture),
    };
    let len = u64::from(order.u32(&head, 0));
    let rest = len.checked_sub(12).ok_or(CaptureError::Length(len))?;
    octets(input, rest)?;
    Ok(order)
}

fn next_pcapng(
    input: &mut impl Read,
    order: &mut Order,
    interfaces: &mut Vec<Interface>,
) -> Result<Option<Captured>, CaptureError> {
    while let Some(kind) = array_or_end::<4>(input)? {
        if kind == SECTION {
            *order = section_header(input)?;
            interfaces.clear();
            continue;
        }
        let len: [u8; 4] = array(input)?;
        let len = u64::from(order.u32(&len, 0));
        let body = octets(input, len.checked_sub(8).ok_or(CaptureError::Length(len))?)?;
        let body = body.get(..body.len().saturating_sub(4)).unwrap_or_default();
        match order.u32(&kind, 0) {
            1 => interfaces.push(interface_description(body, *order)),
            3 => {
                // Simple packet block: no time, the first interface.
                let Some(interface) = interfaces.first() else { continue };
                let len = (order.u32(body, 0) as usize).min(body.len().saturating_sub(4));
                let octets = body.get(4..4 + len).unwrap_or_default().to_vec();
                return Ok(Some(Captured { number: 0, time: Duration::ZERO, link_type: interface.link_type, octets }));
            }
            kind @ (2 | 6) => {
                // The obsolete packet block has a 16-bit interface number and a drop count in place of 32 bits.
                let number = if kind == 2 { u32::from(order.u16(body, 0)) } else { order.u32(body, 0) };
                let Some(interface) = interfaces.get(number as usize) else { continue };
                let ticks = (u64::from(order.u32(body, 4)) << 32) | u64::from(order.u32(body, 8));
                let len = order.u32(body, 12) as usize;
                let octets = body.get(20..).map(|data| &data[..len.min(data.len())]).unwrap_or_default().to_vec();
                let time = time_of(ticks, interface.resolution);
                return Ok(Some(Captured { number: 0, time, link_type: interface.link_type, octets }));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn interface_description(body: &[u8], order: Order) -> Interface {
    let mut interface = Interface { link_type: LinkType(order.u16(body, 0).into()), resolution: 1_000_000 };
    let mut options = body.get(8..).unwrap_or_default();
    while options.len() >= 4 {
        let (code, len) = (order.u16(options, 0), usize::from(order.u16(options, 2)));
        if code == 0 {
            break;
        }
        // if_tsresol: a power of ten, or of two with the high bit.
        if let (9, Some(value)) = (code, options.get(4)) {
            let power = u32::from(value & 0x7f);
            let ticks = if value & 0x80 == 0 { 10u64.checked_pow(power) } else { 1u64.checked_shl(power) };
            interface.resolution = ticks.filter(|t| *t > 0).unwrap_or(1_000_000);
        }
        options = options.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
    }
    interface
}

fn time_of(ticks: u64, resolution: u64) -> Duration {
    let fraction = u128::from(ticks % resolution) * 1_000_000_000 / u128::from(resolution);
    Duration::new(ticks / resolution, u32::try_from(fraction).unwrap_or(0))
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    input.read_exact(&mut octets)?;
    Ok(octets)
}

/// As [`array`], but `None` where the input ends before the first octet.
fn array_or_end<const N: usize>(input: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut octets = [0; N];
    let mut filled = 0;
    while filled < N {
        match input.read(&mut octets[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(Some(octets))
}

fn octets(input: &mut impl Read, len: u64) -> Result<Vec<u8>, CaptureError> {
    if len > MAX_RECORD {
        return Err(CaptureError::Length(len));
    }
    let mut octets = Vec::new();
    if input.by_ref().take(len).read_to_end(&mut octets)? as u64 != len {
        return Err(CaptureError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcap(big: bool) -> Vec<u8> {
        let n = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
        let mut file = n(0xa1b2_c3d4).to_vec();
        file.extend([n(0x0002_0004), n(0), n(0), n(64), n(1)].concat());
        // Two octets kept of 1,500.
        file.extend([n(7), n(250_000), n(2), n(1500)].concat());
        file.extend([0xaa, 0xbb]);
        file
    }

    #[test]
    fn pcap_in_both_orders() {
        for big in [true, false] {
            let frames: Vec<_> = Reader::new(&pcap(big)[..]).unwrap().map(Result::unwrap).collect();
            assert_eq!(frames.len(), 1);
            assert_eq!((frames[0].number, frames[0].time), (1, Duration::from_millis(7250)));
            assert_eq!((frames[0].link_type, &frames[0].octets[..]), (LinkType(1), &[0xaa, 0xbb][..]));
        }
    }

    #[test]
    fn a_cut_file_gives_an_error_and_then_nothing() {
        let file = pcap(true);
        for len in 0..file.len() {
            let Ok(reader) = Reader::new(&file[..len]) else { continue };
            let frames: Vec<_> = reader.collect();
            assert!(len == 24 && frames.is_empty() || frames.len() == 1 && frames[0].is_err(), "{len}");
        }
    }

    fn block(kind: u32, body: &[u8]) -> Vec<u8> {
        let body = [body, &[0, 0, 0][..(4 - body.len() % 4) % 4]].concat();
        let len = (12 + body.len() as u32).to_le_bytes();
        [&kind.to_le_bytes()[..], &len, &body, &len].concat()
    }

    #[test]
    fn pcapng_with_nanoseconds_and_an_unknown_block() {
        let mut file = block(0x0a0d_0d0a, &[&0x1a2b_3c4du32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat());
        file.extend(block(1, &[101, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0]));
        file.extend(block(99, &[1, 2, 3, 4]));
        let ticks = 3_000_000_005u64;
        let mut packet = vec![0; 4];
        packet.extend(((ticks >> 32) as u32).to_le_bytes());
        packet.extend((ticks as u32).to_le_bytes());
        packet.extend([3, 0, 0, 0, 3, 0, 0, 0, 0x45, 1, 2]);
        file.extend(block(6, &packet));
        file.extend(block(3, &[2, 0, 0, 0, 0x60, 9]));
        let frames: Vec<_> = Reader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(frames.len(), 2);
        assert_eq!((frames[0].time, frames[0].link_type), (Duration::new(3, 5), LinkType(101)));
        assert_eq!((&frames[0].octets[..], &frames[1].octets[..]), (&[0x45, 1, 2][..], &[0x60, 9][..]));
        assert_eq!(frames[1].number, 2);
    }

    #[test]
    fn absurd_lengths_are_refused() {
        let mut file = pcap(true);
        file[32..36].fill(0xff);
        assert!(matches!(Reader::new(&file[..]).unwrap().next(), Some(Err(CaptureError::Length(_)))));
        assert!(matches!(Reader::new(&b"GIF89a"[..]), Err(CaptureError::NotACapture)));
    }
}
