//! The multicast scene of the first command.

use lab::run::Report;
use lab::run::scene::mvpn;

/// Everything that the scene checks is so, with several seeds.
#[test]
fn every_flow_is_carried_once_whatever_moves() {
    for seed in [1, 2] {
        let mut report = Report::default();
        mvpn::run(seed, &mut report).unwrap();
        println!("{}", report.print());
        let failed: Vec<_> = report.checks.iter().filter(|check| !check.good).collect();
        assert!(report.is_good() && report.checks.len() >= 10, "{failed:#?}\n{}", report.print());
    }
}
