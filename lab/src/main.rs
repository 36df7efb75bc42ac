//! The command line. Without a subcommand it does the main job, `run`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use lab::{coverage, decode, live};

/// A provider network that carries VPNs, in a simulator and against real routers.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the BGP messages of a capture
    Decode(decode::Args),
    /// Run a BGP speaker on this machine: a PE or a route reflector for real peers
    Peer(live::command::Args),
    /// Write docs/coverage.md: which catalogue rows the tests show, which are open
    Coverage(coverage::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Decode(args) => decode::main(&args),
        Command::Peer(args) => live::command::main(&args),
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
