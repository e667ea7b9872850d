//! Numbers that mean a card, a telephone or a car everywhere.
//!
//! Answerable for form, issuers' ranges and check digits. Account numbers with letters are `account`'s.

use super::checksum::{Held, byte, formed, luhn, number, same, summed, value};
use super::shape::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    payment_card   xx "9999 9999 9999 9999"     card     80 95 97 60 "";
    payment_card   xx "9999 999999 99999"       card     75 95 97 60 "";
    payment_card   xx "9999 999999 9999"        card     60 90 95 55 "";
    payment_card   xx "9999 9999 9999 9999 999" card     40 90 95 55 "";
    payment_card   xx "9999999999999"           card     35 35 90 0  "";
    payment_card   xx "999999999999"            card     10 10 85 0  "";
    payment_card   xx "99999999999999999"       card     10 10 85 0  "";
    payment_card   xx "999999999999999999"      card     15 15 85 0  "";
    imei           xx "99-999999-999999-9"      imei     20 85 92 55 "";
    vin            xx "XXXXXXXXXXXXX9999"       vin      55 55 92 75 "";
    us_bank_number us "99999999"                plain    5  5  65 0  "bank_account";
    us_bank_number us "999999999"               plain    5  5  65 0  "bank_account";
    us_bank_number us "9999999999"              plain    5  5  68 0  "bank_account";
    us_bank_number us "99999999999"             plain    5  5  68 0  "bank_account";
    us_bank_number us "999999999999"            plain    5  5  70 0  "bank_account";
];

fn plain(text: &[u8]) -> Held {
    formed(!same(text))
}

/// Whose range a number is in, by length; nothing that no issuer has.
fn issuer(text: &[u8]) -> bool {
    let four = number(text, 0, 4);
    match text.len() {
        13 => byte(text, 0) == b'4',
        14 => matches!(four, 3000..=3059 | 3095 | 3600..=3699 | 3800..=3999),
        15 => matches!(four, 3400..=3499 | 3700..=3799 | 1800 | 2131) || byte(text, 0) == b'1',
        16 => matches!(four, 2014 | 2149 | 2200..=2204 | 2205 | 2221..=2720 | 3528..=3589
            | 3600..=3699 | 3800..=3999 | 4000..=4999 | 5000..=5899 | 6000..=6099 | 6200..=6599 | 6700..=6799
            | 8100..=8199 | 8600 | 9792 | 9860),
        12 | 17..=19 => matches!(four, 4000..=4999 | 5000..=5099 | 5600..=6999 | 8100..=8171),
        _ => false,
    }
}

fn card(text: &[u8]) -> Held {
    summed(issuer(text) && !same(text), luhn(text))
}

fn imei(text: &[u8]) -> Held {
    summed(number(text, 0, 2) > 0 && !same(text), luhn(text))
}

fn vin(text: &[u8]) -> Held {
    let count = |byte: &u8| match byte {
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => value(*byte),
    };
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let sum: u32 = text.iter().zip(weights).map(|(byte, weight)| count(byte) * weight).sum();
    let check = byte(text, 8);
    let right =
        if sum % 11 == 10 { check == b'X' } else { check.is_ascii_digit() && value(check) == sum % 11 };
    let letters = text.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let form =
        letters >= 3 && byte(text, 0) != b'0' && !text.iter().any(|it| matches!(it, b'I' | b'O' | b'Q'));
    summed(form, right)
}
