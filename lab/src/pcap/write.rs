//! Writing pcap.

use std::fmt;
use std::io::{self, Write};

use fwd_core::time::Instant;

/// Writes Ethernet frames as a pcap file with times in microseconds.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes the file's header.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn new(mut output: W) -> io::Result<Self> {
        output.write_all(&0xa1b2_c3d4u32.to_be_bytes())?;
        output.write_all(&[0, 2, 0, 4])?;
        output.write_all(&[0; 8])?;
        output.write_all(&65_535u32.to_be_bytes())?;
        output.write_all(&1u32.to_be_bytes())?;
        Ok(Self { output })
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn frame(&mut self, time: Instant, octets: &[u8]) -> io::Result<()> {
        let (seconds, micros) = (time.as_micros() / 1_000_000, time.as_micros() % 1_000_000);
        let len = octets.len() as u32;
        for field in [seconds as u32, micros as u32, len, len] {
            self.output.write_all(&field.to_be_bytes())?;
        }
        self.output.write_all(octets)
    }

    /// Writes out what is buffered, and hands back the output.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// A recorder of a link's frames. Labelled frames are always kept; of the others, those within a budget of octets, so that
/// the transfer of a full table does not fill the disk.
pub struct Tap {
    writer: Writer<Box<dyn Write>>,
    budget: u64,
    error: Option<io::Error>,
    /// Frames written.
    pub written: u64,
    /// Frames beyond the budget.
    pub skipped: u64,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("written", &self.written).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

impl Tap {
    /// A recorder into this output, with a budget of octets for frames without label.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn new(output: Box<dyn Write>, budget: u64) -> io::Result<Self> {
        Ok(Self { writer: Writer::new(output)?, budget, error: None, written: 0, skipped: 0 })
    }

    /// Records a frame. An error of the output is kept for [`Tap::finish`].
    pub fn record(&mut self, time: Instant, octets: &[u8]) {
        let labelled = octets.get(12..14) == Some(&[0x88, 0x47]);
        if !labelled {
            match self.budget.checked_sub(octets.len() as u64) {
                Some(rest) => self.budget = rest,
                None => {
                    // Once over budget, stay so: a stream with holes would only confuse.
                    self.budget = 0;
                    self.skipped += 1;
                    return;
                }
            }
        }
        if self.error.is_none() {
            self.error = self.writer.frame(time, octets).err();
            self.written += 1;
        }
    }

    /// Ends the file; frames written and skipped.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(self) -> io::Result<(u64, u64)> {
        match self.error {
            Some(error) => Err(error),
            None => self.writer.finish().map(|_| (self.written, self.skipped)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcap::{LinkType, Reader};

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new(Vec::new()).unwrap();
        let frames = [(Instant::from_micros(1_500_000), vec![1, 2, 3]), (Instant::from_secs(9), vec![0; 1514])];
        for (time, octets) in &frames {
            writer.frame(*time, octets).unwrap();
        }
        let file = writer.finish().unwrap();
        let read: Vec<_> = Reader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        for (read, (time, octets)) in read.iter().zip(&frames) {
            assert_eq!((read.time.as_micros() as u64, &read.octets), (time.as_micros(), octets));
            assert_eq!(read.link_type, LinkType::ETHERNET);
        }
    }

    #[test]
    fn the_budget_spares_labelled_frames() {
        let mut tap = Tap::new(Box::new(io::sink()), 100).unwrap();
        let mut frame = vec![0; 60];
        frame[12..14].copy_from_slice(&[8, 0]);
        (0..3).for_each(|_| tap.record(Instant::ZERO, &frame));
        frame[12..14].copy_from_slice(&[0x88, 0x47]);
        tap.record(Instant::ZERO, &frame);
        assert_eq!(tap.finish().unwrap(), (2, 2));
    }
}
