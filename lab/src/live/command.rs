//! `lab peer`.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bgp_vpn::speaker::Event;
use bumpalo::Bump;
use fwd_core::table::Sizes;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::config::Config;
use super::control::Command;
use super::driver::Driver;
use super::report::Report;
use super::screen::Screen;

/// Arguments of `lab peer`.
#[derive(clap::Args)]
#[command(after_help = Command::HELP)]
pub struct Args {
    /// Configuration (TOML): asn, router-id, [[peer]], [[vrf]], [[at]]; an example is lab/examples/peer.toml
    config: PathBuf,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    json: bool,
    /// Read commands from standard input
    #[arg(long)]
    commands: bool,
    /// End after this many seconds; without it, at SIGTERM or SIGINT
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
}

/// Runs a speaker until it is told to end, and prints what it learnt.
///
/// # Errors
/// Bad configuration, an address that cannot be listened on, or a failing system.
pub fn main(args: &Args) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.config).with_context(|| format!("{}", args.config.display()))?;
    let config = Config::parse(&text).with_context(|| format!("{}", args.config.display()))?;
    let arena = Bump::new();
    let sizes = Sizes {
        interfaces: config.interfaces.len() + 1,
        vrfs: config.vrfs.len() + 1,
        nhlfes: Config::NHLFES as usize,
        labels: usize::try_from(config.transport_labels.iter().fold(config.labels.1, |a, b| a.max(*b)))? + 1,
        routes4: 1 << 20,
        routes6: 1 << 18,
        direct4: 1,
        direct6: 1,
        ..Sizes::NONE
    };
    let forwarder = crate::sim::node::forwarder(&arena, &sizes);
    let mut driver = Driver::new(&config, forwarder)?;
    let mut screen = Screen::new(args.json);
    screen.listening(&driver);
    run(args, &config, &mut driver, &mut screen)?;
    driver.stop(Duration::from_secs(3), |driver, event| screen.event(driver, event))?;
    Ok(ExitCode::SUCCESS)
}

/// Commands that are to be carried out at a time, the next one last; those of one moment in the order of the file.
fn script(config: &Config) -> anyhow::Result<Vec<(Duration, Command)>> {
    let step = |step: &super::config::Step| Ok((Duration::from_secs_f64(step.second), step.command.parse()?));
    let mut script = config.script.iter().map(step).collect::<anyhow::Result<Vec<_>>>()?;
    script.sort_by_key(|(at, _)| *at);
    script.reverse();
    Ok(script)
}

fn run(args: &Args, config: &Config, driver: &mut Driver<'_>, screen: &mut Screen) -> anyhow::Result<()> {
    let (stop, told) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, told.try_clone()?)?;
    }
    let mut script = script(config)?;
    let mut lines = args.commands.then(Lines::default);
    let end = args.seconds.map(Duration::from_secs_f64);
    loop {
        let elapsed = driver.now() - fwd_core::time::Instant::ZERO;
        while script.last().is_some_and(|(at, _)| *at <= elapsed) {
            if let Some((_, command)) = script.pop() {
                obey(&command, config, driver, screen);
            }
        }
        if end.is_some_and(|end| end <= elapsed) {
            break;
        }
        let next = script.last().map(|(at, _)| *at).into_iter().chain(end).min();
        let most = next.map_or(Duration::from_secs(3600), |at| at - elapsed);
        let stdin = io::stdin();
        let mut extra = vec![stop.as_fd()];
        if lines.is_some() {
            extra.push(stdin.as_fd());
        }
        let readable = driver.pass(most, &extra, |driver, event: &Event| screen.event(driver, event))?;
        if readable[0] {
            break;
        }
        let Some(read) = lines.as_mut().filter(|_| readable[1]) else { continue };
        let Some(commands) = read.take()? else {
            lines = None;
            continue;
        };
        for line in commands {
            match line.parse() {
                Ok(Command::Quit) => return finish(driver, screen),
                Ok(command) => obey(&command, config, driver, screen),
                Err(error) => screen.refuse(&line, &error),
            }
        }
    }
    finish(driver, screen)
}

fn finish(driver: &Driver<'_>, screen: &mut Screen) -> anyhow::Result<()> {
    screen.summary(driver);
    io::stdout().flush()?;
    Ok(())
}

/// Carries out a command and prints the answer.
fn obey(command: &Command, config: &Config, driver: &mut Driver<'_>, screen: &mut Screen) {
    match report(command, config, driver) {
        Ok(report) => screen.reply(command.name(), &report),
        Err(error) => screen.refuse(command.name(), &error),
    }
}

fn report(command: &Command, config: &Config, driver: &mut Driver<'_>) -> anyhow::Result<Report> {
    Ok(match command {
        Command::Announce(vrf, prefix) => {
            driver.announce(config.vrf_id(vrf)?, *prefix);
            Report::Done
        }
        Command::Withdraw(vrf, prefix) => {
            driver.withdraw(config.vrf_id(vrf)?, *prefix);
            Report::Done
        }
        Command::NextHop(address, reached) => {
            driver.set_next_hop(*address, *reached);
            Report::Done
        }
        Command::Peers => Report::peers(driver),
        Command::Vpn => Report::vpn(driver),
        Command::Vrf(name) => Report::vrf(driver, config.vrf_id(name)?),
        Command::Fib(name) => Report::fib(driver, config.vrf_id(name)?),
        Command::Counts => Report::counts(driver),
        Command::Quit => Report::Done,
    })
}

/// Standard input as lines, without waiting for more than what is there.
#[derive(Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// The longest line: no command is longer.
    const LONGEST: usize = 4096;

    /// The lines that are whole by now; `None` at the end of the input.
    pub(super) fn take(&mut self) -> io::Result<Option<Vec<String>>> {
        let mut octets = [0; 4096];
        // Not through `Stdin`'s buffer, which `poll` does not see.
        let read = match std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?).read(&mut octets)? {
            0 => return Ok(None),
            n => n,
        };
        self.begun.extend(&octets[..read]);
        let Some(end) = self.begun.iter().rposition(|o| *o == b'\n') else {
            self.begun.truncate(Self::LONGEST);
            return Ok(Some(vec![]));
        };
        let whole: Vec<u8> = self.begun.drain(..=end).collect();
        let text = String::from_utf8_lossy(&whole);
        Ok(Some(text.lines().filter(|l| !l.trim().is_empty()).map(String::from).collect()))
    }
}

const _: () = assert!(Config::NEXT_HOPS + Config::NEIGHBOURS < Config::NHLFES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_runs_in_order_of_time_then_of_the_file() {
        let step = |second: u32, command: &str| format!("[[at]]\nsecond = {second}.5\ncommand = \"{command}\"\n");
        let steps = [step(2, "vpn"), step(1, "peers"), step(2, "counts")].concat();
        let config = Config::parse(&format!("asn = 1\nrouter-id = \"192.0.2.1\"\n{steps}")).unwrap();
        let mut script = script(&config).unwrap();
        let names: Vec<_> = std::iter::from_fn(|| script.pop()).map(|(_, command)| command.name()).collect();
        assert_eq!(names, ["peers", "vpn", "counts"]);
    }
}
