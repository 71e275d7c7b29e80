//! How the eight secret bytes of version 2 are compared: in one place, so that no other place can do it in
//! variable time (AUTH-3).

/// Whether two secrets are the same, in a time that does not depend on them: one comparison of two words.
pub(crate) const fn same(one: [u8; 8], other: [u8; 8]) -> bool {
    u64::from_ne_bytes(one) == u64::from_ne_bytes(other)
}
