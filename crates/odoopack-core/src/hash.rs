//! SHA-256 in hex, of bytes and of anything that serializes.
use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, 64 lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

/// SHA-256 of the JSON form of `value`; equal values have equal hashes.
///
/// # Panics
/// When `value` does not serialize to JSON, which plain data always does.
pub fn of<T: serde::Serialize>(value: &T) -> String {
    hex(serde_json::to_string(value)
        .expect("plain data always serializes")
        .as_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_usual_sha_256() {
        assert_eq!(
            super::hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
