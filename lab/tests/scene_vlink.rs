//! The scene of virtual links.

use lab::run::Report;
use lab::run::scene::vlink::run;

#[test]
fn the_scene_is_as_expected() {
    let mut report = Report::default();
    run(1, &mut report).unwrap();
    assert!(report.is_good(), "{}", report.print());
    assert!(report.checks.len() >= 14);
}
