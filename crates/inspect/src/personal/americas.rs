//! Numbers that the states of the Americas give to people, and what a right one is.
//!
//! Answerable for form and check digits; where in a text they stand, and what is said around them, is not
//! known here.

use super::checksum::{
    Held, among, byte, digit, formed, luhn, luhn_sum, number, same, summed, value, weighted, yymmdd,
};
use super::shape::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    us_ssn              us "999-99-9999"        ssn         20 75 88 0   "national_id tax_id";
    us_itin             us "999-99-9999"        itin        30 75 88 0   "us_ssn tax_id";
    us_ein              us "99-9999999"         ein         10 35 80 0   "tax_id";
    us_bank_routing     us "9999-9999-9"        routing     30 60 85 0   "";
    us_npi              us "9999-999-999"       npi         30 60 88 0   "";
    us_dea              us "AA9999999"          dea         40 40 88 0   "medical_licence";
    us_mbi              us "9AX9-AX9-AA99"      mbi         60 80 90 0   "health_insurance";
    us_passport         us "A99999999"          plain       20 20 80 0   "passport";
    us_passport         us "999999999"          plain       5  5  75 0   "passport";
    ca_sin              ca "999-999-999"        sin         30 60 88 55  "national_id tax_id";
    ca_ramq             ca "AAAA 9999 9999"     ramq        40 55 85 0   "health_insurance";
    ca_business_number  ca "999999999AA9999"    ca_bn       70 70 88 0   "tax_id";
    br_cpf              br "999.999.999-99"     cpf         45 90 92 60  "tax_id national_id";
    br_cnpj             br "99.999.999/9999-99" cnpj        46 90 92 60  "tax_id company_id";
    br_cnh              br "99999999999"        cnh         20 20 85 0   "driver_license";
    br_pis              br "999.99999.99-9"     pis         20 75 88 0   "";
    mx_curp             mx "AAAA999999AAAAAAX9" curp        90 90 95 75  "national_id";
    mx_rfc              mx "AAAA-999999-XX9"    rfc_person  45 65 88 60  "tax_id";
    mx_rfc              mx "AAAA999999XXA"      rfc_person  45 45 88 60  "tax_id";
    mx_rfc              mx "AAA-999999-XX9"     rfc_company 40 60 85 60  "tax_id";
    mx_clabe            mx "999999999999999999" clabe       35 35 88 0   "bank_account";
    mx_nss              mx "99-99-99-9999-9"    nss         20 60 85 0   "health_insurance";
    ar_cuil             ar "99-99999999-9"      cuil        45 85 92 60  "tax_id national_id";
    ar_dni              ar "99.999.999"         plain       5  10 80 0   "national_id";
    cl_rut              cl "99.999.999-X"       rut         30 90 92 60  "tax_id national_id";
    cl_rut              cl "9.999.999-X"        rut         20 85 92 60  "tax_id national_id";
    cl_rut              cl "99999999-X"         rut         20 60 92 60  "tax_id national_id";
    co_nit              co "999.999.999-9"      nit         20 85 90 55  "tax_id company_id";
    co_nit              co "999999999-9"        nit         20 60 90 55  "tax_id company_id";
    co_cedula           co "9.999.999.999"      plain       5  10 75 0   "national_id";
    pe_ruc              pe "99999999999"        ruc         35 35 88 0   "tax_id";
    pe_dni              pe "99999999"           plain       5  5  75 0   "national_id";
    ec_cedula           ec "999999999-9"        cedula_ec   30 50 85 0   "national_id";
    uy_ci               uy "9.999.999-9"        ci          20 80 88 0   "national_id";
    do_cedula           do "999-9999999-9"      cedula_do   30 80 88 0   "national_id";
    ve_rif              ve "A-99999999-9"       rif         35 80 88 0   "tax_id national_id";
    cr_cedula           cr "9-9999-9999"        cedula_cr   10 35 78 0   "national_id";
    gt_nit              gt "9999999-X"          nit_gt      10 45 85 0   "tax_id";
];

fn plain(text: &[u8]) -> Held {
    formed(!same(text))
}

fn ssn(text: &[u8]) -> Held {
    let (area, group, serial) = (number(text, 0, 3), number(text, 3, 5), number(text, 5, 9));
    // Numbers that advertisements and forms made famous belong to nobody.
    let famous = [b"078051120".as_slice(), b"219099999", b"123456789", b"457555462"].contains(&text);
    formed((1..900).contains(&area) && area != 666 && group > 0 && serial > 0 && !famous && !same(text))
}

fn itin(text: &[u8]) -> Held {
    let group = number(text, 3, 5);
    formed(byte(text, 0) == b'9' && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99))
}

fn ein(text: &[u8]) -> Held {
    formed(
        !matches!(number(text, 0, 2), 0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97),
    )
}

fn routing(text: &[u8]) -> Held {
    let form = matches!(number(text, 0, 2), 0..=12 | 21..=32 | 61..=72 | 80) && !same(text);
    summed(form, weighted(text, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10))
}

fn npi(text: &[u8]) -> Held {
    // The number is a card number of issuer 80840, written without it: the issuer's digits add 24.
    summed(matches!(byte(text, 0), b'1' | b'2'), (luhn_sum(text) + 24).is_multiple_of(10))
}

fn dea(text: &[u8]) -> Held {
    let sum = digit(text, 2) + digit(text, 4) + digit(text, 6);
    let twice = digit(text, 3) + digit(text, 5) + digit(text, 7);
    summed(among(text, 0, 1, b"ABCDEFGHJKLMPRSTUX"), (sum + 2 * twice) % 10 == digit(text, 8))
}

fn mbi(text: &[u8]) -> Held {
    let letters: &[u8] = b"ACDEFGHJKMNPQRTUVWXY";
    let either = |at| byte(text, at).is_ascii_digit() || among(text, at, 1, letters);
    let form = byte(text, 0) != b'0' && [1, 4, 7, 8].iter().all(|at| among(text, *at, 1, letters));
    formed(form && either(2) && either(5))
}

fn sin(text: &[u8]) -> Held {
    summed(!matches!(byte(text, 0), b'0' | b'8') && !same(text), luhn(text))
}

fn ramq(text: &[u8]) -> Held {
    // Months of women are written 50 higher.
    let month = number(text, 6, 8) % 50;
    formed(short_year_day(text, 4, month, 8))
}

fn short_year_day(text: &[u8], at: usize, month: u64, day_at: usize) -> bool {
    super::checksum::short_day(number(text, at, at + 2), month, number(text, day_at, day_at + 2))
}

fn ca_bn(text: &[u8]) -> Held {
    let program = text.get(9..11).unwrap_or_default();
    let known = [b"RT", b"RP", b"RC", b"RM", b"RR"].iter().any(|it| it.as_slice() == program);
    summed(known, luhn(text.get(..9).unwrap_or_default()))
}

/// The Brazilian remainder: 11 less the remainder, and 0 for 10 and 11.
fn eleven(sum: u32) -> u32 {
    match 11 - sum % 11 {
        10 | 11 => 0,
        check => check,
    }
}

fn cpf(text: &[u8]) -> Held {
    let first = eleven(weighted(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = eleven(weighted(text, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]));
    summed(!same(text), first == digit(text, 9) && second == digit(text, 10))
}

fn cnpj(text: &[u8]) -> Held {
    let first = eleven(weighted(text, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = eleven(weighted(text, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
    summed(!same(text), first == digit(text, 12) && second == digit(text, 13))
}

fn cnh(text: &[u8]) -> Held {
    let first = weighted(text, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11;
    let less = if first > 9 { 2 } else { 0 };
    let first = if first > 9 { 0 } else { first };
    let second = (weighted(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) + 11 - less) % 11;
    let second = if second > 9 { 0 } else { second };
    summed(!same(text), first == digit(text, 9) && second == digit(text, 10))
}

fn pis(text: &[u8]) -> Held {
    summed(!same(text), eleven(weighted(text, &[3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) == digit(text, 10))
}

fn curp(text: &[u8]) -> Held {
    // 0..9, A..N, Ñ, O..Z: letters after N count one more, because Ñ stands between.
    let count = |byte: u8| value(byte) + u32::from(byte >= b'O');
    let sum: u32 = text.iter().take(17).zip((2..=18).rev()).map(|(byte, weight)| count(*byte) * weight).sum();
    let form = yymmdd(text, 4) && matches!(byte(text, 10), b'H' | b'M' | b'X');
    summed(form, (10 - sum % 10) % 10 == digit(text, 17))
}

/// RFC: 0..9, A..N, &, O..Z, blank, Ñ.
fn rfc_sum(text: &[u8], from: u32) -> bool {
    let count = |byte: u8| value(byte) + u32::from(byte >= b'O');
    let body = text.len().saturating_sub(1);
    let sum: u32 =
        text.iter().take(body).zip((2..=from).rev()).map(|(byte, weight)| count(*byte) * weight).sum();
    // A company's number stands behind a blank, which counts 37.
    let sum = if from == 12 { sum + 37 * 13 } else { sum };
    match (11 - sum % 11) % 11 {
        10 => byte(text, body) == b'A',
        check => byte(text, body).is_ascii_digit() && digit(text, body) == check,
    }
}

fn rfc_person(text: &[u8]) -> Held {
    summed(yymmdd(text, 4), rfc_sum(text, 13))
}

fn rfc_company(text: &[u8]) -> Held {
    summed(yymmdd(text, 3), rfc_sum(text, 12))
}

fn clabe(text: &[u8]) -> Held {
    let sum: u32 = text.iter().take(17).zip([3, 7, 1].iter().cycle()).map(|(b, w)| value(*b) * w % 10).sum();
    let bank = number(text, 0, 3);
    summed((2..=902).contains(&bank), (10 - sum % 10) % 10 == digit(text, 17))
}

fn nss(text: &[u8]) -> Held {
    summed(!same(text), luhn(text))
}

fn cuil(text: &[u8]) -> Held {
    let known = matches!(number(text, 0, 2), 20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34);
    let check = match 11 - weighted(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11 {
        11 => 0,
        10 => 9,
        check => check,
    };
    summed(known, check == digit(text, 10))
}

/// The Chilean remainder, counted from the right with 2..7 over and over; K is 10.
fn rut(text: &[u8]) -> Held {
    let Some((last, body)) = text.split_last() else { return Held::No };
    let sum: u32 = body.iter().rev().zip((2..=7).cycle()).map(|(byte, weight)| value(*byte) * weight).sum();
    let check = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        check => b'0' + u8::try_from(check).unwrap_or(0),
    };
    let form = (last.is_ascii_digit() || *last == b'K') && number(body, 0, body.len()) >= 1_000_000;
    summed(form && !same(body), *last == check)
}

fn nit(text: &[u8]) -> Held {
    let Some((last, body)) = text.split_last() else { return Held::No };
    let weights = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43];
    let sum: u32 = body.iter().rev().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum();
    let rest = sum % 11;
    summed(!same(body), value(*last) == if rest > 1 { 11 - rest } else { rest })
}

fn ruc(text: &[u8]) -> Held {
    let known = matches!(number(text, 0, 2), 10 | 15 | 16 | 17 | 20);
    let check = (11 - weighted(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 10;
    summed(known, check == digit(text, 10))
}

fn cedula_ec(text: &[u8]) -> Held {
    let province = matches!(number(text, 0, 2), 1..=24 | 30) && byte(text, 2) < b'6';
    let sum: u32 = text
        .iter()
        .take(9)
        .zip([2, 1].iter().cycle())
        .map(|(byte, weight)| value(*byte) * weight)
        .map(|it| if it > 9 { it - 9 } else { it })
        .sum();
    summed(province, (10 - sum % 10) % 10 == digit(text, 9))
}

fn ci(text: &[u8]) -> Held {
    let sum = weighted(text, &[2, 9, 8, 7, 6, 3, 4]);
    summed(!same(text) && byte(text, 0) != b'0', (10 - sum % 10) % 10 == digit(text, 7))
}

fn cedula_do(text: &[u8]) -> Held {
    summed(!same(text) && number(text, 0, 3) > 0, luhn(text))
}

fn rif(text: &[u8]) -> Held {
    let kind = match byte(text, 0) {
        b'V' => 4,
        b'E' => 8,
        b'J' => 12,
        b'P' => 16,
        b'G' => 20,
        _ => return Held::No,
    };
    let sum = kind + weighted(text.get(1..).unwrap_or_default(), &[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = 11 - sum % 11;
    summed(true, if check > 9 { 0 } else { check } == digit(text, 9))
}

fn cedula_cr(text: &[u8]) -> Held {
    formed(!same(text) && byte(text, 0) != b'0')
}

fn nit_gt(text: &[u8]) -> Held {
    let sum: u32 = text.iter().take(7).zip((2..=8).rev()).map(|(byte, weight)| value(*byte) * weight).sum();
    let check = (11 - sum % 11) % 11;
    let last = byte(text, 7);
    let right = if check == 10 { last == b'K' } else { last.is_ascii_digit() && digit(text, 7) == check };
    summed(!same(text), right)
}
