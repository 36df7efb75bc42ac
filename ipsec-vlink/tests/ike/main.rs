//! Machines of IKE with each other, under attack, and under whatever stimuli, in virtual time.

mod context;
mod drive;
mod pair;
mod resume;
mod scale;
mod v1;
mod v2;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_stimuli(data in prop::collection::vec(any::<u8>(), 0..400)) {
        drive::run(&data);
        drive::run_v1(&data);
    }

    /// Mostly deliveries, so that the machines get somewhere.
    #[test]
    fn mostly_deliveries(seeds in prop::collection::vec((any::<u8>(), any::<u8>()), 40..60)) {
        // The stimulus is chosen by four octets: the top of the range delivers, the rest is as it comes.
        let data: Vec<u8> = seeds.iter().flat_map(|(a, b)| if a % 3 > 0 { vec![0, 0, 0, 0x85] } else { vec![*b, *a, *b, *a, *b] }).collect();
        drive::run(&data);
        drive::run_v1(&data);
    }
}
