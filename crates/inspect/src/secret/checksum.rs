//! The checks that some tokens carry in themselves.
//!
//! Answerable for saying of a token of a given format whether its own arithmetic holds; absent where the
//! format has none. Not for whether the token still opens anything.

use super::base;

/// The checks, by the names that the table of formats uses.
pub fn holds(name: &str, token: &str) -> Option<bool> {
    match name {
        "github" | "npm" => {
            let (_, body) = token.split_once('_')?;
            let (random, sum) = body.split_at_checked(body.len().checked_sub(6)?)?;
            Some(base62(crc32(random.as_bytes())) == sum)
        }
        "aws" => {
            let body = token.get(4..)?;
            let number =
                body.bytes().try_fold(0_u128, |sum, byte| Some(sum << 5 | u128::from(base32(byte)?)))?;
            // Forty-eight bits of the account, shifted by one: at most twelve digits.
            Some(number >> 39 & ((1 << 40) - 1) < 1_000_000_000_000)
        }
        "pypi" => {
            let bytes = base::decode64(token.strip_prefix("pypi-")?)?;
            Some(
                bytes.starts_with(b"\x02\x01\x08pypi.org")
                    || bytes.windows(8).any(|part| part == b"pypi.org"),
            )
        }
        "grafana" => {
            let (body, sum) = token.rsplit_once('_')?;
            let crc = crc32(body.as_bytes()).to_le_bytes();
            let expected: String = crc.iter().map(|byte| format!("{byte:02x}")).collect();
            Some(expected == sum)
        }
        "discord" => {
            let (id, _) = token.split_once('.')?;
            Some(base::decode64(id)?.iter().all(u8::is_ascii_digit))
        }
        _ => None,
    }
}

/// CRC-32 as in zip and PNG.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

/// Six digits: `0` to `9`, `A` to `Z`, `a` to `z`.
fn base62(mut number: u32) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        *place = digits.get((number % 62) as usize).copied().unwrap_or(b'0');
        number /= 62;
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn base32(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_usual_ones() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let body = "A".repeat(30);
        let token = format!("{}{}_{body}{}", "gh", "p", base62(crc32(body.as_bytes())));
        assert_eq!(holds("github", &token), Some(true));
        assert_eq!(holds("github", &token.replace("AAA", "AAB")), Some(false));
    }
}
