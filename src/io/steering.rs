//! Programs for the kernel that bring packets to the core that knows them, with the arithmetic of [`Shards`].
//!
//! ```text
//! UDP 4500   SPI modulo n; IKE begins with a zero      classic BPF on the SO_REUSEPORT group
//! ESP        each raw socket takes its own SPIs        classic BPF on each socket
//! TUN        the address modulo n, or that which goes  eBPF on the device, with a map
//!            with the prefix, but for the server's
//!            exceptions
//! ```
//!
//! Programs so short are made by hand. Where a kernel or a container forbids one, packets come to any core and are handed over.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd};

use crate::server::{Inside, Prefixes, ShardId, Shards, Stretch};

/// Has a SO_REUSEPORT group bring ESP to the socket of its shard, in the order in which they were bound, and all else to the first.
/// One socket of the group stands for all.
pub(super) fn group(socket: &impl AsFd, shards: Shards) -> io::Result<()> {
    attach(socket, libc::SO_ATTACH_REUSEPORT_CBPF, &by_spi_in_udp(shards))
}

/// Has a raw socket of protocol 50 receive its shard's packets only: without, each socket receives a copy of all.
pub(super) fn raw(socket: &impl AsFd, shard: ShardId, shards: Shards) -> io::Result<()> {
    attach(socket, libc::SO_ATTACH_FILTER, &by_spi_in_ipv4(shard, shards))
}

/// Has a TUN device bring packets to the queue of their destination's shard, in the order in which queues were attached.
pub(super) fn tun(device: &impl AsFd, shards: Shards, prefixes: &Prefixes) -> io::Result<Exceptions> {
    let map = map().ok();
    let program = load(&by_destination(shards, prefixes.stretches(), map.as_ref()))?;
    let number = program.as_raw_fd();
    // SAFETY: TUNSETSTEERINGEBPF reads one int, which lives through the call; the kernel keeps its own reference to the program.
    let result =
        unsafe { libc::ioctl(device.as_fd().as_raw_fd(), TUNSETSTEERINGEBPF as _, &raw const number) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Exceptions(map)) }
}

/// Numbers whose packets come to another shard than they say: those of users who got an old address back, mostly. One
/// that the kernel has no room for is handed over by the shard of its number. (Should an address and a prefix have the same number and
/// different shards, packets to one of them are handed over.)
#[derive(Debug, Default)]
pub struct Exceptions(Option<OwnedFd>);

impl Exceptions {
    /// Packets to what is `inside` come to `shard`, or to the shard of their number again.
    pub fn set(&self, inside: Inside, shard: Option<ShardId>) {
        let Some(map) = &self.0 else { return };
        let key = inside.number();
        let value = shard.map(|shard| shard.0);
        let attributes = Element {
            map: map.as_raw_fd() as u32,
            padding: 0,
            key: &raw const key as u64,
            // What a command has no use for has to be zero.
            value: value.as_ref().map_or(0, |value| &raw const *value as u64),
            flags: 0,
        };
        let command = if shard.is_some() { BPF_MAP_UPDATE_ELEM } else { BPF_MAP_DELETE_ELEM };
        // SAFETY: the attributes are as long as the size says; key and value are four bytes, as the map was made for, and live
        // through the call, which only reads them. What it cannot do is done without.
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attributes, size_of::<Element>()) };
    }
}

/// `union bpf_attr` for commands about one element of a map.
#[repr(C)]
struct Element {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// A table from numbers to shards.
fn map() -> io::Result<OwnedFd> {
    /// The head of `union bpf_attr` for BPF_MAP_CREATE.
    #[repr(C)]
    struct Create {
        kind: u32,
        key: u32,
        value: u32,
        entries: u32,
        flags: u32,
    }
    let attributes = Create {
        kind: BPF_MAP_TYPE_HASH,
        key: 4,
        value: 4,
        entries: MOST_EXCEPTIONS,
        flags: BPF_F_NO_PREALLOC,
    };
    // SAFETY: the attributes are as long as the size says, and the kernel only reads them.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_CREATE, &raw const attributes, size_of::<Create>()) };
    descriptor(result)
}

/// A datagram begins with the SPI, or with the non-ESP marker, which is zero (RFC 3948 §2.2), as is zero modulo anything. One of
/// less than four octets ends a program that loads four, with the result 0.
fn by_spi_in_udp(shards: Shards) -> Vec<libc::sock_filter> {
    vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, shards.count().get()),
        step(libc::BPF_RET | BPF_A, 0),
    ]
}

/// What a raw socket sees begins with the IPv4 header.
fn by_spi_in_ipv4(shard: ShardId, shards: Shards) -> Vec<libc::sock_filter> {
    vec![
        // X = the header's length: four times its low nibble.
        step(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_IND, 0),
        step(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, shards.count().get()),
        jump(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, shard.0, 0, 1),
        step(libc::BPF_RET | libc::BPF_K, u32::MAX),
        step(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// One instruction of eBPF: code, registers, offset, immediate value; `struct bpf_insn` of the kernel.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

fn instruction(code: u32, registers: u8, offset: i16, immediate: u32) -> Instruction {
    Instruction { code: code as u8, registers, offset, immediate: immediate as i32 }
}

/// What a TUN queue reads begins with the IP header. IPv4 goes by its destination, IPv6 by the second four octets of that: the lower half
/// of a prefix, or what there is of it before the bits that a client has for itself. That is looked up in the table of exceptions; what is
/// not there goes by the address, or the one that goes with the prefix.
fn by_destination(shards: Shards, stretches: &[Stretch], exceptions: Option<&OwnedFd>) -> Vec<Instruction> {
    let of_ipv6 = by_stretch(stretches);
    let head = [
        // R6 = R1: loads from the packet want its context there.
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0x16, 0, 0),
        // R0 = the version.
        instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 0),
        instruction(BPF_ALU64 | libc::BPF_RSH | libc::BPF_K, 0, 0, 4),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 3, 6),
        // R0 and R7 = the word at 16, in the order of this machine.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 16),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0x07, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JA, 0, of_ipv6.len() as i16, 0),
    ];
    let look_up = exceptions.map(|map| {
        [
            // On the stack, where R2 points.
            instruction(libc::BPF_STX | libc::BPF_MEM | libc::BPF_W, 0x0a, -4, 0),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0xa2, 0, 0),
            instruction(BPF_ALU64 | libc::BPF_ADD | libc::BPF_K, 0x02, 0, -4_i32 as u32),
            // R1 = the map: a load of eight bytes takes two places.
            instruction(libc::BPF_LD | BPF_DW | libc::BPF_IMM, 0x11, 0, map.as_raw_fd() as u32),
            instruction(0, 0, 0, 0),
            instruction(libc::BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_MAP_LOOKUP_ELEM),
            // If it is there, R0 points at the shard's number.
            instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 2, 0),
            instruction(libc::BPF_LDX | libc::BPF_MEM | libc::BPF_W, 0x00, 0, 0),
            instruction(libc::BPF_JMP | BPF_EXIT, 0, 0, 0),
        ]
    });
    let tail = [
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0x70, 0, 0),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, 0, 0, shards.count().get()),
        instruction(libc::BPF_JMP | BPF_EXIT, 0, 0, 0),
    ];
    head.into_iter().chain(of_ipv6).chain(look_up.into_iter().flatten()).chain(tail).collect()
}

/// R0 = the number of a prefix, R7 = that of the address that goes with it; or both the second four octets of the destination.
fn by_stretch(stretches: &[Stretch]) -> Vec<Instruction> {
    let mut program = vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 28),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0x07, 0, 0),
    ];
    // Each part leaps over those behind it, so they are made from the last one on.
    for Stretch { range, down, ahead } in stretches.iter().rev() {
        let number = [
            instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 28),
            instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 0, 0, *down),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 0x07, 0, 0),
            instruction(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_K, 0x07, 0, *ahead),
            instruction(libc::BPF_JMP | libc::BPF_JA, 0, program.len() as i16, 0),
        ];
        let [high, low, ..] = words(range.network().to_bits());
        let [high_mask, low_mask, ..] = words(range.mask());
        let within = |at, mask, word, rest: usize| {
            [
                instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at),
                instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask),
                // A comparison of 64 bits would extend the sign of what stands here, and one of 32 bits is of Linux 5.1.
                instruction(libc::BPF_ALU | libc::BPF_XOR | libc::BPF_K, 0, 0, word),
                instruction(libc::BPF_JMP | BPF_JNE | libc::BPF_K, 0, rest as i16, 0),
            ]
        };
        let second = within(28, low_mask, low, number.len());
        let first = within(24, high_mask, high, second.len() + number.len());
        program.splice(0..0, first.into_iter().chain(second).chain(number));
    }
    program
}

/// The four words of an address.
fn words(bits: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
}

fn step(code: u32, value: u32) -> libc::sock_filter {
    jump(code, value, 0, 0)
}

fn jump(code: u32, value: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: yes, jf: no, k: value }
}

fn attach(socket: &impl AsFd, option: libc::c_int, program: &[libc::sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads one sock_fprog and as many instructions as it says; both live through the call, and neither is
    // written to.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Gives a program to the kernel, which holds it to its rules.
fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    /// The head of `union bpf_attr` for BPF_PROG_LOAD; the kernel takes what is missing for zero.
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        instructions: u64,
        licence: u64,
    }
    // No function that is called asks for one licence or another.
    let licence = c"Apache-2.0";
    let attributes = Load {
        kind: BPF_PROG_TYPE_SOCKET_FILTER,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        licence: licence.as_ptr() as u64,
    };
    // SAFETY: the attributes are as long as the size says, and the instructions and the terminated string that they point at live
    // through the call; the kernel only reads.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size_of::<Load>()) };
    descriptor(result)
}

/// What a call of bpf(2) made.
fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    let number =
        i32::try_from(result).ok().filter(|number| *number >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the call before this made the descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// As many as clients may be connected.
const MOST_EXCEPTIONS: u32 = 1 << 17;
/// `linux/if_tun.h`: _IOR('T', 224, int).
const TUNSETSTEERINGEBPF: u32 = 0x8004_54e0;
/// `linux/bpf.h`, `linux/bpf_common.h` and `linux/filter.h`.
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_MAP_TYPE_HASH: u32 = 1;
const BPF_F_NO_PREALLOC: u32 = 1;
const BPF_FUNC_MAP_LOOKUP_ELEM: u32 = 1;
const BPF_DW: u32 = 0x18;
const BPF_CALL: u32 = 0x80;
const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;
const BPF_ALU64: u32 = 0x07;
const BPF_JNE: u32 = 0x50;
const BPF_MOV: u32 = 0xb0;
const BPF_X: u32 = 0x08;
const BPF_EXIT: u32 = 0x90;
const BPF_A: u32 = 0x10;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    /// Linux 4.16, the first that asks a program about a TUN device, refuses a whole program for one instruction of a later one.
    #[test]
    fn no_instruction_is_younger_than_programs_for_tun_devices() {
        let range = "fd00:db8:100::/40".parse().unwrap();
        let stretches = [Stretch { range, down: 8, ahead: 7 }; 3];
        let program = by_destination(Shards::new(NonZeroU32::MIN), &stretches, None);
        assert!(program.len() > 30, "{}", program.len());
        let jump_of_32_bits = 0x06;
        assert!(program.iter().all(|instruction| instruction.code & 0x07 != jump_of_32_bits), "{program:?}");
    }
}
