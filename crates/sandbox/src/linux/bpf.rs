//! Programs of the kernel's packet filter that decide system calls, written as a search tree.
//!
//! Answerable for a tree deciding a number as its leaf says and for everything else being allowed. Knows nothing of
//! which calls there are.

use std::collections::BTreeMap;
use std::io;

use libc::sock_filter;

/// Answers of a filter (linux/seccomp.h).
pub const ALLOW: u32 = 0x7fff_0000;
/// With the error's number in its lower half.
pub const ERRNO: u32 = 0x0005_0000;
/// The whole process.
pub const KILL: u32 = 0x8000_0000;

// Instructions (linux/bpf_common.h).
const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

// Where things are in what a filter reads (struct seccomp_data).
const AT_NUMBER: u32 = 0;
const AT_ARCH: u32 = 4;
const AT_ARGUMENTS: u32 = 16;

/// What is done about one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// It works.
    Allow,
    /// It fails.
    Errno(i32),
    /// Its arguments tell.
    Arguments(Vec<Test>),
}

/// A step over a call's arguments. The last one of a list decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Looks at the lower half of an argument from here on.
    Load(u8),
    /// Looks at these bits of it only.
    Mask(u32),
    /// Fails with the error if it is this.
    Equal(u32, i32),
    /// Fails with the error if it is not this.
    Unequal(u32, i32),
    /// Fails with the error if it has any of these bits.
    AnyOf(u32, i32),
    /// Works if it is this.
    EqualAllow(u32),
    /// If it is this, the list decides.
    If(u32, Vec<Self>),
    /// Works.
    Allow,
    /// Fails.
    Refuse(i32),
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn answer(k: u32) -> sock_filter {
    instruction(RETURN, 0, 0, k)
}

fn errno(error: i32) -> sock_filter {
    answer(ERRNO | error.unsigned_abs())
}

/// The program: kills callers of another instruction set, decides each number by its leaf, and every number that is
/// at least as high as `highest` by that leaf.
///
/// # Errors
/// If a branch is too long for a jump: that is a mistake in the tables.
pub fn program(
    arch: u32,
    leaves: &BTreeMap<u32, Leaf>,
    highest: Option<(u32, Leaf)>,
) -> io::Result<Vec<sock_filter>> {
    let mut ranges = vec![(0, Leaf::Allow)];
    for (number, leaf) in leaves {
        begin(&mut ranges, *number, leaf);
        begin(&mut ranges, number.saturating_add(1), &Leaf::Allow);
    }
    if let Some((from, leaf)) = &highest {
        begin(&mut ranges, *from, leaf);
    }
    let mut program = vec![
        instruction(LOAD, 0, 0, AT_ARCH),
        instruction(EQUAL, 1, 0, arch),
        answer(KILL),
        instruction(LOAD, 0, 0, AT_NUMBER),
    ];
    program.extend(tree(&ranges)?);
    Ok(program)
}

/// Begins a range: one that would be empty gives way, and one that goes on as before is none.
fn begin(ranges: &mut Vec<(u32, Leaf)>, at: u32, leaf: &Leaf) {
    if ranges.last().is_some_and(|(start, _)| *start == at) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|(_, last)| last != leaf) {
        ranges.push((at, leaf.clone()));
    }
}

fn tree(ranges: &[(u32, Leaf)]) -> io::Result<Vec<sock_filter>> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (true, Some((from, leaf))) = (!low.is_empty() || high.len() == 1, high.first()) else {
        return Err(io::Error::other("a tree without leaves"));
    };
    if low.is_empty() {
        return code(leaf);
    }
    let (low, high) = (tree(low)?, tree(high)?);
    let mut program = vec![instruction(AT_LEAST, length(&low)?, 0, *from)];
    program.extend(low);
    program.extend(high);
    Ok(program)
}

fn code(leaf: &Leaf) -> io::Result<Vec<sock_filter>> {
    match leaf {
        Leaf::Allow => Ok(vec![answer(ALLOW)]),
        Leaf::Errno(error) => Ok(vec![errno(*error)]),
        Leaf::Arguments(tests) => steps(tests),
    }
}

fn steps(tests: &[Test]) -> io::Result<Vec<sock_filter>> {
    let mut program = Vec::new();
    for test in tests {
        match test {
            Test::Load(n) => program.push(instruction(LOAD, 0, 0, AT_ARGUMENTS + 8 * u32::from(*n))),
            Test::Mask(bits) => program.push(instruction(AND, 0, 0, *bits)),
            Test::Equal(value, error) => program.extend([instruction(EQUAL, 0, 1, *value), errno(*error)]),
            Test::Unequal(value, error) => program.extend([instruction(EQUAL, 1, 0, *value), errno(*error)]),
            Test::AnyOf(bits, error) => program.extend([instruction(ANY_BIT, 0, 1, *bits), errno(*error)]),
            Test::EqualAllow(value) => program.extend([instruction(EQUAL, 0, 1, *value), answer(ALLOW)]),
            Test::If(value, then) => {
                let then = steps(then)?;
                program.push(instruction(EQUAL, 0, length(&then)?, *value));
                program.extend(then);
            }
            Test::Allow => program.push(answer(ALLOW)),
            Test::Refuse(error) => program.push(errno(*error)),
        }
    }
    Ok(program)
}

fn length(program: &[sock_filter]) -> io::Result<u8> {
    u8::try_from(program.len()).map_err(|_| io::Error::other("a branch is too long for a jump"))
}

/// What a program answers: the kernel's machine, as far as these programs use it.
#[cfg(test)]
#[allow(clippy::cast_possible_truncation, reason = "the machine looks at 32 bits")]
pub fn decide(program: &[sock_filter], arch: u32, number: u32, args: [u64; 3]) -> u32 {
    let mut value = 0;
    let mut at = 0;
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            LOAD if k == AT_NUMBER => value = number,
            LOAD if k == AT_ARCH => value = arch,
            LOAD => value = args[((k - AT_ARGUMENTS) / 8) as usize] as u32,
            AND => value &= k,
            EQUAL => at += jump(value == k),
            AT_LEAST => at += jump(value >= k),
            ANY_BIT => at += jump(value & k != 0),
            RETURN => return k,
            other => panic!("{other:#x}"),
        }
    }
}
