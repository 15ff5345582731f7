//! Random values, and password hashes as Odoo's passlib writes them.
use std::num::NonZeroU32;

use rand::Rng;
use rand::distr::Alphanumeric;
use ring::pbkdf2::{PBKDF2_HMAC_SHA512, derive};

/// Rounds that Odoo asks for (`res_users.py` `MIN_ROUNDS`, 17.0 to 19.0); fewer would be rehashed at the next login.
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("not zero");
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./";

/// A random password of letters and digits, about 140 bits.
pub(crate) fn generate() -> String {
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(24)
        .map(char::from)
        .collect()
}

/// The hash of `password` for `res_users.password` and `admin_passwd`.
pub(crate) fn hash(password: &str) -> String {
    hash_with(password, &rand::rng().random::<[u8; 16]>(), ROUNDS)
}

/// `$pbkdf2-sha512$ROUNDS$SALT$KEY` (passlib 1.7, `pbkdf2_sha512`).
fn hash_with(password: &str, salt: &[u8], rounds: NonZeroU32) -> String {
    let mut key = [0_u8; 64];
    derive(PBKDF2_HMAC_SHA512, rounds, salt, password.as_bytes(), &mut key);
    format!("$pbkdf2-sha512${rounds}${}${}", ab64(salt), ab64(&key))
}

/// Base 64 without padding and with `.` for `+` (passlib's `ab64_encode`).
fn ab64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = [0_u8; 4];
        word[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(word);
        for at in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * at)) & 0x3f;
            text.push(char::from(symbol(index)));
        }
    }
    text
}

/// passlib keeps `/` as the last symbol and writes `.` for `+`.
fn symbol(index: u32) -> u8 {
    match index {
        62 => b'.',
        63 => b'/',
        other => BASE64[other as usize],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_passlib_does() {
        let salt: Vec<u8> = (0..16).collect();
        assert_eq!(
            hash_with("admin", &salt, NonZeroU32::new(1000).unwrap()),
            "$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$aKgGNHu34fR74hlBgfFekJphXK1N3gnOe3Lgp8FO48d8kwG6FEqYI1r0qdB.aSgGSQ2FwLojT47uLUbOD1cDhw"
        );
    }

    #[test]
    fn two_passwords_are_not_the_same() {
        assert_ne!(generate(), generate());
        assert_eq!(generate().len(), 24);
    }
}
