//! BFD control packets: the vectors of the conformance list, and any bytes.

use crate::hex;
use proptest::prelude::*;
use wire::bfd::{Control, Diagnostic, LEN, Refused, State};

/// BFD-DOWN, the first packet of a session: 1 s, 50 ms.
const DOWN: Control = Control {
    diagnostic: Diagnostic::NONE,
    state: State::Down,
    poll: false,
    is_final: false,
    independent: false,
    demand: false,
    multiplier: 3,
    my_discriminator: 0x0a0b_0c0d,
    your_discriminator: 0,
    desired_min_tx: 1_000_000,
    required_min_rx: 50_000,
    required_min_echo_rx: 0,
};

#[test]
fn bfd_vectors_read_and_are_written_again() {
    let known = Control { your_discriminator: 0x0102_0304, ..DOWN };
    let up = Control { state: State::Up, desired_min_tx: 50_000, ..known };
    let of_b = Control { my_discriminator: 0x0102_0304, your_discriminator: 0x0a0b_0c0d, ..up };
    let diagnostic = |number, of| Control { diagnostic: Diagnostic(number), ..of };
    let vectors = [
        ("BFD-DOWN", "204003180a0b0c0d00000000000f42400000c35000000000", DOWN),
        (
            "BFD-INIT",
            "208003180a0b0c0d01020304000f42400000c35000000000",
            Control { state: State::Init, ..known },
        ),
        ("BFD-UP-POLL", "20e003180a0b0c0d010203040000c3500000c35000000000", Control { poll: true, ..up }),
        (
            "BFD-UP-FINAL",
            "20d00318010203040a0b0c0d0000c3500000c35000000000",
            Control { is_final: true, ..of_b },
        ),
        ("BFD-UP", "20c003180a0b0c0d010203040000c3500000c35000000000", up),
        ("BFD-DOWN-EXPIRED", "214003180a0b0c0d00000000000f42400000c35000000000", diagnostic(1, DOWN)),
        ("BFD-DOWN-NBR", "234003180a0b0c0d01020304000f42400000c35000000000", diagnostic(3, known)),
        (
            "BFD-ADMINDOWN",
            "270003180a0b0c0d01020304000f42400000c35000000000",
            Control { state: State::AdminDown, ..diagnostic(7, known) },
        ),
        // BWIRE-1: five bits.
        ("BFD-DIAG-31", "3f4003180a0b0c0d01020304000f42400000c35000000000", diagnostic(31, known)),
    ];
    for (id, bytes, packet) in vectors {
        assert_eq!(Control::read(&hex(bytes)), Ok(packet), "{id}");
        assert_eq!(packet.write().to_vec(), hex(bytes), "{id}");
    }
}

#[test]
fn brx_1_to_8_each_has_its_own_reason() {
    let refused = [
        ("BFD-NEG-VER0", "004003180a0b0c0d00000000000f42400000c35000000000", Refused::Version),
        ("BFD-NEG-LEN23", "204003170a0b0c0d00000000000f42400000c35000000000", Refused::Length),
        ("BFD-NEG-LEN25", "204003190a0b0c0d00000000000f42400000c35000000000", Refused::Length),
        ("BFD-NEG-A-LEN24", "20c403180a0b0c0d010203040000c3500000c35000000000", Refused::Length),
        ("BFD-NEG-MULT0", "204000180a0b0c0d00000000000f42400000c35000000000", Refused::Multiplier),
        ("BFD-NEG-M", "204103180a0b0c0d00000000000f42400000c35000000000", Refused::Multipoint),
        ("BFD-NEG-MY0", "204003180000000000000000000f42400000c35000000000", Refused::MyDiscriminator),
        ("BFD-NEG-YOUR0-UP", "20c003180a0b0c0d000000000000c3500000c35000000000", Refused::YourDiscriminator),
        ("BFD-NEG-YOUR0-IN", "208003180a0b0c0d00000000000f42400000c35000000000", Refused::YourDiscriminator),
        ("BRX-3, 23 bytes", "204003180a0b0c0d00000000000f42400000c350000000", Refused::Short),
        ("BRX-10", "20c4031a0a0b0c0d010203040000c3500000c350000000000102", Refused::Authenticated),
        ("nothing", "", Refused::Short),
    ];
    for (id, bytes, why) in refused {
        assert_eq!(Control::read(&hex(bytes)), Err(why), "{id}");
    }
}

#[test]
fn brx_21_poll_and_final_together_are_read_and_never_written() {
    let both = Control::read(&hex("20f003180a0b0c0d010203040000c3500000c35000000000")).unwrap();
    assert!(both.poll && both.is_final);
    assert_eq!(both.write()[1], 0xd0);
}

#[test]
fn bwire_4_what_stands_behind_the_packet_is_ignored() {
    let mut longer = DOWN.write().to_vec();
    longer.extend([0xff; 6]);
    assert_eq!(Control::read(&longer), Ok(DOWN));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_written_alike(
        mut bytes in prop::collection::vec(any::<u8>(), 0..64),
        likely: bool,
    ) {
        if likely && bytes.len() >= LEN {
            (bytes[0], bytes[3]) = (bytes[0] & 0x1f | 0x20, 24);
        }
        if let Ok(packet) = Control::read(&bytes) {
            let again = Control::read(&packet.write());
            prop_assert_eq!(again, Ok(Control { poll: packet.poll && !packet.is_final, ..packet }));
        }
    }
}
