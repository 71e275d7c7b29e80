//! ICMP echo, as little of it as a client needs that asks "are you there".

use std::net::IpAddr;

use wire::Mac;

/// An echo request with an empty body: for IPv4 complete, for IPv6 without the checksum, which the kernel sets.
pub(crate) fn request(to: IpAddr, id: u16, sequence: u16) -> [u8; 8] {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let ([i0, i1], [s0, s1]) = (id.to_be_bytes(), sequence.to_be_bytes());
    let mut message = [kind, 0, 0, 0, i0, i1, s0, s1];
    if to.is_ipv4() {
        let sum: u32 = message.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let [.., c0, c1] = (!((folded & 0xffff) + (folded >> 16))).to_be_bytes();
        (message[2], message[3]) = (c0, c1);
    }
    message
}

/// Who answered which request, from a frame that the filter for echo replies let through.
pub(crate) fn reply(frame: &[u8]) -> Option<(u16, IpAddr, Mac)> {
    let by = Mac(*frame.get(6..)?.first_chunk()?);
    let (source, sequence) = match *frame.get(12..)?.first_chunk()? {
        [0x08, 0x00] => (IpAddr::from(*frame.get(26..)?.first_chunk::<4>()?), frame.get(40..)?),
        [0x86, 0xdd] => (IpAddr::from(*frame.get(22..)?.first_chunk::<16>()?), frame.get(60..)?),
        _ => return None,
    };
    Some((u16::from_be_bytes(*sequence.first_chunk()?), source, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_right_checksum() {
        let message = request("10.0.0.3".parse().unwrap(), 0xabcd, 0xfffe);
        let sum: u32 = message.chunks_exact(2).map(|p| u32::from(u16::from_be_bytes([p[0], p[1]]))).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        assert_eq!(request("fd00::3".parse().unwrap(), 1, 2), [128, 0, 0, 0, 0, 1, 0, 2]);
    }

    #[test]
    fn a_reply_tells_who_and_which() {
        let mut frame = [0; 60];
        frame[6..14].copy_from_slice(&[2, 0, 10, 0, 0, 5, 0x08, 0x00]);
        frame[26..30].copy_from_slice(&[10, 0, 0, 3]);
        frame[40..42].copy_from_slice(&[1, 2]);
        let by = Mac([2, 0, 10, 0, 0, 5]);
        assert_eq!(reply(&frame), Some((0x0102, "10.0.0.3".parse().unwrap(), by)));
        assert_eq!(reply(&frame[..41]), None);
    }
}
