//! Classic BPF, as much as a laboratory needs: "is the frame one of these", for sockets that capture and for
//! switch ports that lose.

use libc::sock_filter;

/// Tests on a frame from its Ethernet header on; all must hold.
pub(crate) type All<'a> = &'a [Test];

/// One test.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Test {
    /// The byte at an offset is this.
    Byte(u32, u8),
    /// The 16 bits at an offset, in network order, are this.
    Half(u32, u16),
}

const IPV4: Test = Test::Half(12, 0x0800);
const IPV6: Test = Test::Half(12, 0x86dd);
const ARP_TYPE: Test = Test::Half(12, 0x0806);

/// VRRP, plain or in an Authentication Header, over both families.
pub(crate) const VRRP: [All<'static>; 4] = [
    &[IPV4, Test::Byte(23, wire::PROTOCOL_VRRP)],
    &[IPV4, Test::Byte(23, wire::PROTOCOL_AH)],
    &[IPV6, Test::Byte(20, wire::PROTOCOL_VRRP)],
    &[IPV6, Test::Byte(20, wire::PROTOCOL_AH)],
];
/// Address resolution in both families: ARP, Neighbor Solicitation, Neighbor Advertisement.
pub(crate) const RESOLUTION: [All<'static>; 3] = [
    &[ARP_TYPE],
    &[IPV6, Test::Byte(20, 58), Test::Byte(54, 135)],
    &[IPV6, Test::Byte(20, 58), Test::Byte(54, 136)],
];
/// What routers say of themselves over IPv6.
pub(crate) const ROUTERS: [All<'static>; 1] = [&[IPV6, Test::Byte(20, 58), Test::Byte(54, 134)]];

/// Plain IPv4 adverts of one VRID; their headers have no options.
pub(crate) const fn adverts_of(vrid: u8) -> [Test; 3] {
    [IPV4, Test::Byte(23, wire::PROTOCOL_VRRP), Test::Byte(35, vrid)]
}

/// Plain IPv4 adverts from one address.
pub(crate) const fn adverts_from(source: std::net::Ipv4Addr) -> [Test; 4] {
    let [a, b, c, d] = source.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    [IPV4, Test::Byte(23, wire::PROTOCOL_VRRP), Test::Half(26, high), Test::Half(28, low)]
}

/// Answers to ICMP echo requests with the identifier `id`, in both families.
pub(crate) fn echo_replies(id: u16) -> [[Test; 4]; 2] {
    [
        // A reply of the kernel has no IP options.
        [IPV4, Test::Byte(23, 1), Test::Byte(34, 0), Test::Half(38, id)],
        [IPV6, Test::Byte(20, 58), Test::Byte(54, 129), Test::Half(58, id)],
    ]
}

/// A program that returns `hit` for a frame that fits one of `cases`, else `miss`.
pub(crate) fn program<'a>(cases: impl IntoIterator<Item = All<'a>>, hit: u32, miss: u32) -> Vec<sock_filter> {
    let mut program = Vec::new();
    for case in cases {
        for (at, test) in case.iter().enumerate() {
            // Each later test of this case is two instructions; then comes its return.
            let over = u8::try_from((case.len() - at - 1) * 2 + 1).unwrap_or(u8::MAX);
            let (load, offset, value) = match *test {
                Test::Byte(offset, value) => (libc::BPF_B, offset, u32::from(value)),
                Test::Half(offset, value) => (libc::BPF_H, offset, u32::from(value)),
            };
            program.push(instruction(libc::BPF_LD | load | libc::BPF_ABS, 0, 0, offset));
            program.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, over, value));
        }
        program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, hit));
    }
    program.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0, miss));
    program
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    // All operation codes fit into the 16 bits of the format.
    sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel would make of `program`; like it, a load behind the end returns 0.
    fn run(program: &[sock_filter], frame: &[u8]) -> u32 {
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let step = program[at];
            at += 1;
            let offset = step.k as usize;
            match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_B | libc::BPF_ABS => match frame.get(offset) {
                    Some(byte) => accumulator = (*byte).into(),
                    None => return 0,
                },
                code if code == libc::BPF_LD | libc::BPF_H | libc::BPF_ABS => {
                    match frame.get(offset..offset + 2) {
                        Some(half) => accumulator = u16::from_be_bytes([half[0], half[1]]).into(),
                        None => return 0,
                    }
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                    at += usize::from(if accumulator == step.k { step.jt } else { step.jf });
                }
                _ => return step.k,
            }
        }
    }

    #[test]
    fn a_frame_fits_one_case_or_none() {
        let program = program(VRRP.into_iter().chain(RESOLUTION), 1, 2);
        let mut frame = [0; 60];
        assert_eq!(run(&program, &frame), 2);
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        for (protocol, expected) in [(112, 1), (51, 1), (17, 2), (58, 2)] {
            frame[23] = protocol;
            assert_eq!(run(&program, &frame), expected, "IPv4 {protocol}");
        }
        frame[12..14].copy_from_slice(&[0x86, 0xdd]);
        for (next, kind, expected) in
            [(112, 0, 1), (51, 0, 1), (58, 135, 1), (58, 136, 1), (58, 129, 2), (6, 0, 2)]
        {
            (frame[20], frame[54]) = (next, kind);
            assert_eq!(run(&program, &frame), expected, "IPv6 {next} {kind}");
        }
        frame[12..14].copy_from_slice(&[0x08, 0x06]);
        assert_eq!(run(&program, &frame), 1);
        assert_eq!(run(&program, &[]), 0, "too short");
    }

    #[test]
    fn only_our_echo_replies_fit() {
        let cases = echo_replies(0x1234);
        let program = program(cases.iter().map(<[Test; 4]>::as_slice), 1, 0);
        let mut frame = [0; 60];
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame[23] = 1;
        frame[38..40].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(run(&program, &frame), 1);
        frame[34] = 8;
        assert_eq!(run(&program, &frame), 0, "a request");
        (frame[34], frame[39]) = (0, 0x35);
        assert_eq!(run(&program, &frame), 0, "somebody else's");
    }
}
