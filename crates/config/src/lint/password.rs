//! Passwords that everybody knows.

use super::Advice;
use crate::diagnostic::Findings;
use crate::registry::Id;
use model::{Authentication, Key, Secret};

/// From tutorials, examples of manuals, and lists of the most frequent passwords; the first 8 bytes count.
const KNOWN: &[&str] = &[
    "0000",
    "1111",
    "1066",
    "11111111",
    "1234",
    "12345",
    "123456",
    "1234567",
    "12345678",
    "123123",
    "1qaz2wsx",
    "88888888",
    "abc123",
    "abcd1234",
    "admin",
    "admin123",
    "changeme",
    "haproxy",
    "k8s",
    "keepaliv",
    "keepalive",
    "kubernetes",
    "letmein",
    "mypass",
    "mypassword",
    "nginx",
    "pass",
    "pass1234",
    "passw0rd",
    "passwd",
    "password",
    "qwerty",
    "root",
    "secret",
    "test",
    "test1234",
    "vrrp",
    "PASS",
    "1q2w3e4r",
    "q1w2e3r4",
    "redhat",
    "linux",
    "mysecret",
];

/// What a print shows instead of any password.
const MASKED: &str = "********";
/// And instead of any key.
const MASKED_KEY: &[u8] = &[b'*'; Key::MIN_LEN];

impl Advice<'_> {
    pub(super) fn passwords(&self, findings: &mut Findings) {
        for placed in self.instances {
            if let (Authentication::Keyed(ring), Some(span)) =
                (&placed.instance.authentication, placed.password)
                && let Some(stars) = Key::new(MASKED_KEY)
                && ring.keys.iter().any(|(_, key)| *key == stars)
            {
                findings.add(Id::KnownPassword, span, |d| {
                    d.say("a key is 32 stars, which stand for any key in a print")
                        .help("write the real one, the same on all nodes")
                });
            }
            let (Authentication::Password(secret) | Authentication::Header(secret), Some(span)) =
                (&placed.instance.authentication, placed.password)
            else {
                continue;
            };
            if Secret::cut(MASKED.as_bytes()) == *secret {
                findings.add(Id::KnownPassword, span, |d| {
                    d.say("the password is eight stars, which stand for any password in a print")
                        .help("write the real one, the same on all nodes")
                });
            } else if KNOWN.iter().any(|known| Secret::cut(known.as_bytes()) == *secret) {
                findings.add(Id::KnownPassword, span, |d| {
                    d.say("this password stands in many tutorials: it keeps nobody out")
                        .help("it guards against a mistaken VRID only; let a firewall accept protocol 112 from the partners only")
                });
            }
        }
    }
}
