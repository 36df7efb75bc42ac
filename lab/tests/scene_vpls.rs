//! The scene of VPLS: its checks hold, whatever the seed, and its figures are the same in every run.

use lab::run::Report;
use lab::run::scene::SCENES;

/// Shows: VPLS-GEN-2, VPLS-PKT-4
#[test]
fn the_scene_holds() {
    let scene = SCENES.iter().find(|scene| scene.title.contains("VPLS")).unwrap();
    let run = |seed| {
        let mut report = Report::default();
        (scene.run)(seed, &mut report).unwrap();
        assert!(report.is_good(), "{}", report.print());
        report.print()
    };
    assert_eq!(run(1), run(2));
}
