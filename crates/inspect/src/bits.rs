//! Sixty-four bytes of a text at a time, as one number: which of them are of a kind.
//!
//! Answerable for the one loop that looks at bytes without a branch on what they are, so that the compiler makes
//! vector instructions of it. Knows no kind.

/// How many bytes are looked at together.
pub const WIDTH: usize = 64;

/// Which bytes of a block are of a kind: one bit each, the first byte lowest. `is` must not branch (`|`, not
/// `||`), or it is slow.
#[inline]
pub fn mask(block: &[u8; WIDTH], is: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0_u8; WIDTH];
    for (flag, byte) in flags.iter_mut().zip(block) {
        *flag = u8::from(is(*byte));
    }
    let (eights, _) = flags.as_chunks::<8>();
    // Eight bytes that are 0 or 1 become the highest byte of the product, one bit each.
    let gather = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |bits, eight| (bits << 8) | gather(eight))
}

/// What remains of a text behind its last whole block, filled up with zeros.
#[inline]
pub fn rest(bytes: &[u8]) -> [u8; WIDTH] {
    let mut last = [0; WIDTH];
    for (to, from) in last.iter_mut().zip(bytes.as_chunks::<WIDTH>().1) {
        *to = *from;
    }
    last
}

/// The whole blocks of a text, and its [`rest`] behind them.
#[inline]
pub fn blocks<'b>(bytes: &'b [u8], rest: &'b [u8; WIDTH]) -> impl Iterator<Item = &'b [u8; WIDTH]> {
    bytes.as_chunks::<WIDTH>().0.iter().chain([rest])
}

#[cfg(test)]
mod tests {
    use super::{blocks, mask, rest};

    #[test]
    fn a_bit_is_set_where_the_byte_is_of_the_kind() {
        for length in 0..200 {
            let text: Vec<u8> = (0..length).map(|at| if at % 7 == 3 { b'7' } else { b'x' }).collect();
            let rest = rest(&text);
            let masks: Vec<u64> =
                blocks(&text, &rest).map(|block| mask(block, |byte| byte == b'7')).collect();
            assert_eq!(masks.len(), text.len() / 64 + 1);
            for at in 0..masks.len() * 64 {
                assert_eq!(
                    masks[at / 64] >> (at % 64) & 1 == 1,
                    text.get(at) == Some(&b'7'),
                    "{length} {at}"
                );
            }
        }
    }
}
