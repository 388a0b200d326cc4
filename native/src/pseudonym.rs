//! Keyed hashes that replace masked values; the twin of `pseudonym.py`.

use hmac_sha256::HMAC;

const KEY_DIGITS: usize = 4;
const HASH_DIGITS: usize = 12;

/// Return the pseudonym of a value under a key: the key's id and twelve digits of HMAC-SHA256.
pub fn pseudonym(key: &[u8], value: &str) -> String {
    let id = hex(&HMAC::mac(b"the name of this key", key));
    let digest = hex(&HMAC::mac(value, key));
    format!("{}-{}", &id[..KEY_DIGITS], &digest[..HASH_DIGITS])
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // RFC 4231, test case 2
        let hash = pseudonym(b"Jefe", "what do ya want for nothing?");
        assert_eq!(hash.split_once('-').unwrap().1, "5bdcc146bf60");
    }
}
