//! Files are cut where restic's format says, whatever was cut before: the copy in `vendor/rustic_cdc` keeps its tables between files.
use proptest::prelude::*;
use rustic_cdc::{Polynom, Polynom64, Rabin64, RollingHash64};

/// As `rustic_core` asks for it: two to the power of this is the window.
const WINDOW_BITS: u32 = 6;
const WINDOW: usize = 1 << WINDOW_BITS;

/// The hash of a window by its definition: its bytes as one polynomial, modulo another.
fn defined(window: &[u8], modulo: Polynom64) -> Polynom64 {
    window.iter().fold(0, |hash: u64, byte| {
        ((hash << 8) | u64::from(*byte)).modulo(&modulo)
    })
}

fn windows(bytes: &[u8], modulo: Polynom64) -> Vec<Polynom64> {
    (0..bytes.len())
        .map(|at| defined(&bytes[(at + 1).saturating_sub(WINDOW)..=at], modulo))
        .collect()
}

fn slid(bytes: &[u8], modulo: Polynom64) -> Vec<Polynom64> {
    let mut rabin = Rabin64::new_with_polynom(WINDOW_BITS, &modulo);
    let slide = |byte: &u8| {
        rabin.slide(*byte);
        rabin.hash
    };
    bytes.iter().map(slide).collect()
}

/// A polynomial of the degree of restic's.
fn polynomial() -> impl Strategy<Value = Polynom64> {
    (0..1_u64 << 53).prop_map(|bits| bits | 1 << 53 | 1)
}

proptest! {
    #[test]
    fn every_hash_is_that_of_the_definition_in_whatever_order_polynomials_are_asked_for(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        polynomials in prop::collection::vec(polynomial(), 1..4),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
    ) {
        for index in order {
            let modulo = *index.get(&polynomials);
            prop_assert_eq!(slid(&bytes, modulo), windows(&bytes, modulo));
        }
    }

    #[test]
    fn another_window_of_the_same_polynomial_has_its_own_tables(bytes in prop::collection::vec(any::<u8>(), 40..80)) {
        let modulo = 0x003D_A335_8B4D_C173;
        let mut wide = Rabin64::new_with_polynom(WINDOW_BITS, &modulo);
        let mut narrow = Rabin64::new_with_polynom(5, &modulo);
        for (at, byte) in bytes.iter().enumerate() {
            wide.slide(*byte);
            narrow.slide(*byte);
            prop_assert_eq!(narrow.hash, defined(&bytes[(at + 1).saturating_sub(32)..=at], modulo));
            prop_assert_eq!(wide.hash, defined(&bytes[(at + 1).saturating_sub(WINDOW)..=at], modulo));
        }
    }
}
