//! Kernel filters (classic BPF) that sort adverts by VRID before they cost a wake-up.
//!
//! The *fast* socket gets the adverts of the virtual routers that this host takes part in; the *stray* socket
//! gets the rest (a neighbour's, or ours with a mistyped VRID) into a small buffer, where a flood of them harms
//! nothing. Both read the same byte: the VRID stands second in every version of VRRP.
//!
//! A raw IPv4 socket's filter sees the IP header, a raw IPv6 socket's filter starts at the VRRP message.

use std::collections::BTreeSet;
use wire::{Family, Vrid};

/// A set of VRIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VridSet([u32; 8]);

impl VridSet {
    /// Adds one.
    pub const fn insert(&mut self, vrid: Vrid) {
        let vrid = vrid.get();
        self.0[vrid as usize / 32] |= 1 << (vrid % 32);
    }

    /// Whether it is in the set.
    #[must_use]
    pub const fn contains(&self, vrid: Vrid) -> bool {
        let vrid = vrid.get();
        self.0[vrid as usize / 32] >> (vrid % 32) & 1 == 1
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }
}

impl FromIterator<Vrid> for VridSet {
    fn from_iter<I: IntoIterator<Item = Vrid>>(vrids: I) -> Self {
        let mut set = Self::default();
        vrids.into_iter().for_each(|vrid| set.insert(vrid));
        set
    }
}

/// Which half of the adverts a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those whose VRID is in the set.
    Fast,
    /// All others, also those too short to have a VRID.
    Stray,
}

// linux/bpf_common.h and linux/filter.h
const LD: u16 = 0x00;
const LDX: u16 = 0x01;
const ST: u16 = 0x02;
const ALU: u16 = 0x04;
const JMP: u16 = 0x05;
const RET: u16 = 0x06;
const MISC: u16 = 0x07;
const W: u16 = 0x00;
const B: u16 = 0x10;
const IMM: u16 = 0x00;
const ABS: u16 = 0x20;
const IND: u16 = 0x40;
const MEM: u16 = 0x60;
const LEN: u16 = 0x80;
const MSH: u16 = 0xa0;
const SUB: u16 = 0x10;
const AND: u16 = 0x50;
const RSH: u16 = 0x70;
const JA: u16 = 0x00;
/// Where the number of the device of a packet stands (`SKF_AD_OFF + SKF_AD_IFINDEX`): of a VRF device if it came through one.
const DEVICE: u32 = (-0x1000_i32 + 8).cast_unsigned();
const JEQ: u16 = 0x10;
const JGE: u16 = 0x30;
const X: u16 = 0x08;
const TAX: u16 = 0x00;
/// "Take all of it".
const ALL: u32 = u32::MAX;

/// One instruction of classic BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What to do.
    pub code: u16,
    /// How many instructions to skip if a comparison holds.
    pub yes: u8,
    /// How many instructions to skip if it does not.
    pub no: u8,
    /// The operand.
    pub k: u32,
}

const fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, yes: 0, no: 0, k }
}

const fn branch(code: u16, k: u32, yes: u8, no: u8) -> Instruction {
    Instruction { code, yes, no, k }
}

/// The program for one side of the VRIDs in `set` on a socket of protocol 112.
///
/// Word `vrid / 32` of the set is chosen by comparison (classic BPF has no tables), shifted right by
/// `vrid % 32`, and its lowest bit decides.
#[must_use]
pub fn program(family: Family, set: &VridSet, side: Side) -> Vec<Instruction> {
    let (known, unknown) = match side {
        Side::Fast => (ALL, 0),
        Side::Stray => (0, ALL),
    };
    let mut code = match family {
        Family::V4 => vec![
            op(LDX | B | MSH, 0), // X = length of the IP header
            op(LD | W | LEN, 0),
            op(ALU | SUB | X, 0),
            branch(JMP | JGE, 2, 1, 0),
            op(RET, unknown),
            op(LD | B | IND, 1), // A = VRID
        ],
        Family::V6 => {
            vec![op(LD | W | LEN, 0), branch(JMP | JGE, 2, 1, 0), op(RET, unknown), op(LD | B | ABS, 1)]
        }
    };
    code.extend([
        op(ST, 0),
        op(ALU | AND, 31),
        op(MISC | TAX, 0), // X = bit
        op(LD | W | MEM, 0),
        op(ALU | RSH, 5), // A = word
    ]);
    // Three instructions for each word: "is it this one? then load it and go to the test".
    let words = [0u32, 1, 2, 3, 4, 5, 6, 7];
    for (word, bits) in words.into_iter().zip(set.0) {
        let rest = 3 * (7 - word);
        code.extend([branch(JMP | JEQ, word, 0, 2), op(LD | W | IMM, bits), op(JMP | JA, rest + 1)]);
    }
    code.extend([
        op(RET, unknown), // not reached: a byte has eight words
        op(ALU | RSH | X, 0),
        op(ALU | AND, 1),
        branch(JMP | JEQ, 1, 0, 1),
        op(RET, known),
        op(RET, unknown),
    ]);
    code
}

/// For a socket of protocol 51 (IPv4): what carries VRRP in an Authentication Header, whatever its VRID.
#[must_use]
pub fn authenticated() -> Vec<Instruction> {
    vec![
        op(LDX | B | MSH, 0),
        op(LD | B | IND, 0), // next header
        branch(JMP | JEQ, 112, 0, 1),
        op(RET, ALL),
        op(RET, 0),
    ]
}

/// What the program takes, but for what comes through one of these devices.
#[must_use]
pub fn but_for(devices: &BTreeSet<u32>, program: Vec<Instruction>) -> Vec<Instruction> {
    if devices.is_empty() {
        return program;
    }
    let mut code = vec![op(LD | W | ABS, DEVICE)];
    for device in devices {
        code.extend([branch(JMP | JEQ, *device, 0, 1), op(RET, 0)]);
    }
    code.extend(program);
    code
}

/// For sockets that only send.
#[must_use]
pub fn nothing() -> Vec<Instruction> {
    vec![op(RET, 0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel does with the instructions that are used here.
    fn run(code: &[Instruction], packet: &[u8]) -> u32 {
        run_on(3, code, packet)
    }

    /// The same for a packet that came through this device.
    fn run_on(device: u32, code: &[Instruction], packet: &[u8]) -> u32 {
        let (mut a, mut x, mut memory, mut pc) = (0u32, 0u32, [0u32; 16], 0usize);
        let byte = |at: u32| packet.get(at as usize).map(|&byte| u32::from(byte));
        loop {
            let Instruction { code: op, yes, no, k } = code[pc];
            pc += 1;
            let mut jump = |is: bool| pc += usize::from(if is { yes } else { no });
            match op {
                o if o == LDX | B | MSH => match byte(k) {
                    Some(byte) => x = 4 * (byte & 0xf),
                    None => return 0,
                },
                o if o == LD | W | LEN => a = u32::try_from(packet.len()).unwrap(),
                o if o == LD | B | IND => match byte(x + k) {
                    Some(byte) => a = byte,
                    None => return 0,
                },
                o if o == LD | W | ABS && k == DEVICE => a = device,
                o if o == LD | B | ABS => match byte(k) {
                    Some(byte) => a = byte,
                    None => return 0,
                },
                o if o == LD | W | MEM => a = memory[k as usize],
                o if o == LD | W | IMM => a = k,
                o if o == ST => memory[k as usize] = a,
                o if o == MISC | TAX => x = a,
                o if o == ALU | SUB | X => a = a.wrapping_sub(x),
                o if o == ALU | AND => a &= k,
                o if o == ALU | RSH => a >>= k,
                o if o == ALU | RSH | X => a >>= x,
                o if o == JMP | JEQ => jump(a == k),
                o if o == JMP | JGE => jump(a >= k),
                o if o == JMP | JA => pc += k as usize,
                o if o == RET => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn every_vrid_goes_to_exactly_one_side() {
        let set: VridSet = [1, 31, 32, 51, 63, 64, 128, 255].into_iter().filter_map(Vrid::new).collect();
        for family in [Family::V4, Family::V6] {
            let (fast, stray) = (program(family, &set, Side::Fast), program(family, &set, Side::Stray));
            for options in [0usize, 4, 40] {
                for vrid in 0..=255u8 {
                    let mut packet = match family {
                        Family::V4 => {
                            let mut header = vec![0; 20 + options];
                            header[0] = 0x45 + u8::try_from(options / 4).unwrap();
                            header
                        }
                        Family::V6 => Vec::new(),
                    };
                    packet.extend([0x31, vrid]);
                    let known = Vrid::new(vrid).is_some_and(|vrid| set.contains(vrid));
                    assert_eq!(run(&fast, &packet) != 0, known, "{family} {vrid}");
                    assert_eq!(run(&stray, &packet) == 0, known, "{family} {vrid}");
                    packet.pop();
                    assert_eq!(run(&fast, &packet), 0);
                    assert_eq!(run(&stray, &packet), ALL, "too short is stray");
                }
            }
        }
    }

    #[test]
    fn what_comes_through_some_devices_is_left_to_others() {
        let devices = BTreeSet::from([7, 9]);
        let packet = [0x45; 44];
        let set = VridSet::default();
        for program in [program(Family::V4, &set, Side::Stray), program(Family::V6, &set, Side::Stray)] {
            assert_eq!(but_for(&BTreeSet::new(), program.clone()), program);
            let code = but_for(&devices, program);
            let taken = [3, 7, 8, 9, 10].map(|device| run_on(device, &code, &packet) == ALL);
            assert_eq!(taken, [true, false, true, false, true]);
        }
    }

    #[test]
    fn only_vrrp_inside_ah_is_taken() {
        let mut packet = [0u8; 44];
        packet[0] = 0x45;
        packet[20] = 112;
        assert_eq!(run(&authenticated(), &packet), ALL);
        packet[20] = 6;
        assert_eq!(run(&authenticated(), &packet), 0);
        assert_eq!(run(&nothing(), &packet), 0);
    }
}
