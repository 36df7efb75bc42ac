//! The command line. Without a subcommand it does the main job, `run`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use lab::{coverage, decode, feed, live, run, sizing, vpls_scale};

/// A provider network that carries VPNs, in a simulator and against real routers.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Carry two VPNs end to end in the simulator (what is done without a subcommand)
    Run(run::Args),
    /// Print the BGP messages of a capture
    Decode(decode::Args),
    /// Run a BGP speaker on this machine: a PE or a route reflector for real peers
    Peer(live::command::Args),
    /// Run a multicast router on interfaces of this machine: PIM, IGMP, MLD and BSR for real peers
    Multicast(live::multicast::command::Args),
    /// Run a label switching router on interfaces of this machine: LDP, pseudowires and BFD for real peers
    Lsr(live::lsr::command::Args),
    /// Run a VPLS PE on interfaces of this machine: BGP signalling, snooping, customers' frames over MPLS to real peers
    Vpls(live::vpls::command::Args),
    /// Send VPN-IPv4 routes through a route reflector and measure it; ci/feed.sh does it to several
    Feed(feed::Args),
    /// Measure what VPNs cost: many VRFs on many PEs around a route reflector, and idle CE sessions
    Sizing(sizing::Args),
    /// Measure what a VPLS costs: instances, pseudowires, groups, trees, copies; and unicast beside joins
    VplsScale(vpls_scale::Args),
    /// Write docs/coverage.md: which catalogue rows the tests show, which are open
    Coverage(coverage::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => run::main(&args),
        Command::Decode(args) => decode::main(&args),
        Command::Peer(args) => live::command::main(&args),
        Command::Multicast(args) => live::multicast::command::main(&args),
        Command::Lsr(args) => live::lsr::command::main(&args),
        Command::Vpls(args) => live::vpls::command::main(&args),
        Command::Feed(args) => feed::main(&args),
        Command::Sizing(args) => sizing::main(&args),
        Command::VplsScale(args) => vpls_scale::main(&args),
        Command::Coverage(args) => coverage::main(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}
