//! What the tests of repositories share: the key, who writes, what a snapshot is of, and bytes to store.
use jiff::Timestamp;
use odoopack_core::secret::SecretText;
use odoopack_repository::{Holder, Label};

pub(crate) const KEY: &str = "correct horse battery staple";

pub(crate) fn key() -> SecretText {
    SecretText::new(KEY)
}

pub(crate) fn holder() -> Holder {
    Holder {
        host: "here".to_owned(),
        boot: "1".to_owned(),
        pid: std::process::id(),
        why: "a test".to_owned(),
    }
}

/// Of the one environment that the tests have, so many seconds after an evening of 2023.
pub(crate) fn label(second: i64) -> Label {
    Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time: Timestamp::from_second(1_700_000_000 + second).unwrap(),
        note: None,
    }
}

/// Bytes that neither compress nor repeat.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_be_bytes()[..4]);
    }
    bytes.truncate(length);
    bytes
}
