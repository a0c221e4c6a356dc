//! What is sealed, and the commitment to it.
//!
//! The plain text is committed to by SHA-256 with 32 random bytes in it, and sealed by XChaCha20-Poly1305 (RFC 8439 with
//! the extended nonce of draft-irtf-cfrg-xchacha), with trial, number, protocol and commitment as associated data: so a
//! sealed arm cannot be read, changed, or put into another session, and the commitment, which can be lodged elsewhere when
//! the session begins, holds even against whoever has the key.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use closedloop::FeedPlan;
use recording::{sha256, sha256_hex};
use serde::{Deserialize, Serialize};

use super::key::{TrialKey, hex};
use crate::error::SessionError;

const CIPHER: &str = "XChaCha20-Poly1305";
const NONCE_BYTES: usize = 24;

/// What the manifest says in the open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Name of the trial.
    pub trial: String,
    /// The participant's number in it.
    pub number: u32,
    /// Which key.
    pub key_id: String,
    /// SHA-256 of the plain text that is sealed, hexadecimal.
    pub commitment: String,
    /// How it is sealed.
    pub cipher: String,
    /// SHA-256 of the sealed file, hexadecimal.
    pub sealed_sha256: String,
}

/// What is sealed.
#[derive(Debug, Clone, PartialEq)]
pub struct Secret {
    /// Name of the trial.
    pub trial: String,
    /// The participant's number in it.
    pub number: u32,
    /// Name of the arm.
    pub arm: String,
    /// `active`, `sham` or `yoked`.
    pub kind: String,
    /// The session whose values these are, or whose surrogate they are.
    pub donor: String,
    /// The values. An active arm has them too and does not use them.
    pub feed: FeedPlan,
    /// Characters that `arm` and `kind` may have together; shorter ones are filled up.
    pub length: usize,
}

/// The plain text. Numbers are their bits in hexadecimal digits: exact, and of one length.
#[derive(Serialize, Deserialize)]
struct Plain {
    salt: String,
    trial: String,
    number: u32,
    arm: String,
    kind: String,
    fill: String,
    donor: String,
    donor_uv: Option<String>,
    values: Vec<[String; 2]>,
}

impl Secret {
    /// Seals it.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub(super) fn seal(
        &self,
        key: &TrialKey,
        protocol_sha256: &str,
    ) -> Result<(Entry, Vec<u8>), SessionError> {
        let failed = |why: String| SessionError::Usage(format!("the arm cannot be sealed: {why}"));
        let mut random = [0; 32 + NONCE_BYTES];
        getrandom::fill(&mut random).map_err(|error| failed(error.to_string()))?;
        let (salt, nonce) = random.split_at(32);
        let used = self.arm.len() + self.kind.len();
        let plain = Plain {
            salt: hex(salt),
            trial: self.trial.clone(),
            number: self.number,
            arm: self.arm.clone(),
            kind: self.kind.clone(),
            fill: " ".repeat(self.length.saturating_sub(used)),
            donor: self.donor.clone(),
            donor_uv: self.feed.donor_uv.map(bits),
            values: self.feed.values.iter().map(|pair| pair.map(bits)).collect(),
        };
        let text = serde_json::to_vec(&plain).map_err(|error| failed(error.to_string()))?;
        let mut entry = Entry {
            trial: self.trial.clone(),
            number: self.number,
            key_id: key.id(),
            commitment: commitment(&text),
            cipher: CIPHER.into(),
            sealed_sha256: String::new(),
        };
        let associated = associated(&entry, protocol_sha256);
        let nonce_bytes: [u8; NONCE_BYTES] = std::array::from_fn(|at| nonce[at]);
        let cipher = XChaCha20Poly1305::new(&key.derive("seal").into());
        let payload = Payload { msg: &text, aad: associated.as_bytes() };
        let sealed = cipher.encrypt(&XNonce::from(nonce_bytes), payload);
        let sealed = sealed.map_err(|error| failed(error.to_string()))?;
        let file = [&nonce_bytes[..], &sealed].concat();
        entry.sealed_sha256 = sha256_hex(&file);
        Ok((entry, file))
    }

    /// Opens a sealed arm; says what is wrong with it otherwise.
    pub(super) fn open(
        entry: &Entry,
        file: &[u8],
        key: &TrialKey,
        protocol_sha256: &str,
    ) -> Result<Self, String> {
        if key.id() != entry.key_id {
            return Err(format!("it was sealed with key {}, this is {}", entry.key_id, key.id()));
        }
        if entry.cipher != CIPHER {
            return Err(format!("it is sealed by {}, which this build does not know", entry.cipher));
        }
        let found = sha256_hex(file);
        if found != entry.sealed_sha256 {
            return Err(format!("SHA-256 is {found}, the manifest names {}", entry.sealed_sha256));
        }
        let Some((nonce, sealed)) = file.split_first_chunk::<NONCE_BYTES>() else {
            return Err(format!("it has {} bytes, too few", file.len()));
        };
        let associated = associated(entry, protocol_sha256);
        let cipher = XChaCha20Poly1305::new(&key.derive("seal").into());
        let payload = Payload { msg: sealed, aad: associated.as_bytes() };
        let text = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| {
            "it does not open: it, the trial's number, the protocol or the commitment was changed".to_owned()
        })?;
        if commitment(&text) != entry.commitment {
            return Err("what it holds is not what was committed to".into());
        }
        let plain: Plain = serde_json::from_slice(&text).map_err(|error| format!("its content: {error}"))?;
        Self::of(plain).ok_or_else(|| "its content: a value is not 16 hexadecimal digits".into())
    }

    fn of(plain: Plain) -> Option<Self> {
        let number = |text: &String| Some(f64::from_bits(u64::from_str_radix(text, 16).ok()?));
        let pair = |[value, spread]: &[String; 2]| Some([number(value)?, number(spread)?]);
        let donor_uv = match &plain.donor_uv {
            Some(text) => Some(number(text)?),
            None => None,
        };
        Some(Self {
            length: plain.arm.len() + plain.kind.len() + plain.fill.len(),
            feed: FeedPlan { values: plain.values.iter().map(pair).collect::<Option<_>>()?, donor_uv },
            trial: plain.trial,
            number: plain.number,
            arm: plain.arm,
            kind: plain.kind,
            donor: plain.donor,
        })
    }

    /// What the loop was fed.
    pub fn into_feed(self) -> Option<FeedPlan> {
        (self.kind != "active").then_some(self.feed)
    }
}

fn bits(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn commitment(text: &[u8]) -> String {
    hex(&sha256(&[b"photic arm v1\0", text].concat()))
}

fn associated(entry: &Entry, protocol_sha256: &str) -> String {
    let Entry { trial, number, key_id, commitment, cipher, .. } = entry;
    format!("photic arm v1\n{trial}\n{number}\n{key_id}\n{commitment}\n{cipher}\n{protocol_sha256}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(arm: &str, kind: &str) -> Secret {
        Secret {
            trial: "t".into(),
            number: 7,
            arm: arm.into(),
            kind: kind.into(),
            donor: "sub-01".into(),
            feed: FeedPlan { values: vec![[0.1, 1e-300], [-2.5, f64::MAX]], donor_uv: Some(0.3) },
            length: 14,
        }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone_and_keeps_its_bits() {
        let key = TrialKey::new("t", [1; 32]);
        let (entry, file) = secret("feedback", "sham").seal(&key, "p").unwrap();
        let opened = Secret::open(&entry, &file, &key, "p").unwrap();
        assert_eq!(opened, secret("feedback", "sham"));
        assert!(
            Secret::open(&entry, &file, &TrialKey::new("t", [2; 32]), "p")
                .unwrap_err()
                .contains(&entry.key_id)
        );
        assert!(Secret::open(&entry, &file, &key, "another protocol").unwrap_err().contains("does not open"));
        let other = Entry { number: 8, ..entry.clone() };
        assert!(Secret::open(&other, &file, &key, "p").unwrap_err().contains("does not open"));
        let open = serde_json::to_string(&entry).unwrap() + &String::from_utf8_lossy(&file);
        assert!(!open.contains("sham") && !open.contains("feedback"));
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let key = TrialKey::new("t", [1; 32]);
        let (entry, file) = secret("a", "active").seal(&key, "p").unwrap();
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(Secret::open(&entry, &changed, &key, "p").is_err());
            // Also by the seal itself, where the manifest was made to fit.
            let fitted = Entry { sealed_sha256: sha256_hex(&changed), ..entry.clone() };
            assert!(Secret::open(&fitted, &changed, &key, "p").is_err());
        }
        assert!(Secret::open(&entry, &file[..20], &key, "p").is_err());
    }

    #[test]
    fn arms_cannot_be_told_by_their_size_nor_by_two_equal_seals() {
        let key = TrialKey::new("t", [1; 32]);
        let seal = |arm: &str, kind: &str| secret(arm, kind).seal(&key, "p").unwrap();
        let (one, two) = (seal("real", "active"), seal("control", "yoked"));
        assert_eq!(one.1.len(), two.1.len());
        let again = seal("real", "active");
        assert!(again.1 != one.1 && again.0.commitment != one.0.commitment);
    }
}
