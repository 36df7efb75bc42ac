//! The scene of P2MP pseudowires: its checks hold, and its figures are the same in every run.

use lab::run::Report;
use lab::run::scene::SCENES;

#[test]
fn the_scene_holds() {
    let scene = SCENES.iter().find(|scene| scene.title.contains("point-to-multipoint")).unwrap();
    let run = |seed| {
        let mut report = Report::default();
        (scene.run)(seed, &mut report).unwrap();
        assert!(report.is_good() && report.checks.len() == 7, "{}", report.print());
        report.print()
    };
    assert_eq!(run(1), run(2));
}
