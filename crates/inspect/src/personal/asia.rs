//! Numbers that the states of Asia, Africa and Oceania give to people, and what a right one is.
//!
//! Answerable for form and check digits; where in a text they stand, and what is said around them, is not
//! known here.

use super::checksum::{
    Held, among, byte, day, digit, formed, luhn, mod11_2, number, same, summed, value, verhoeff, weighted,
    yymmdd,
};
use super::shape::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    in_aadhaar          in "9999 9999 9999"     aadhaar     30 62 92 60  "national_id";
    in_pan              in "AAAAA9999A"         pan         62 62 92 0   "tax_id";
    in_gstin            in "99AAAAA9999AXXX"    gstin       85 85 92 0   "tax_id company_id";
    in_voter_id         in "AAA9999999"         plain       40 40 85 0   "national_id";
    in_passport         in "A9999999"           plain       20 20 80 0   "passport";
    in_ifsc             in "AAAA0XXXXXX"        ifsc        30 30 80 0   "bank_account";
    pk_cnic             pk "99999-9999999-9"    cnic        15 75 88 0   "national_id";
    lk_nic              lk "999999999A"         nic         40 40 88 0   "national_id";
    bd_nid              bd "9999999999999"      plain       5  5  75 0   "national_id";
    cn_resident_id      cn "999999 99999999 999X" resident  90 92 96 70  "national_id";
    tw_id               tw "A999999999"         taiwan      62 62 92 0   "national_id";
    hk_id               hk "A999999(X"          hkid        40 85 92 0   "national_id";
    hk_id               hk "AA999999(X"         hkid        40 85 92 0   "national_id";
    mo_id               mo "9/999999/9"         macau       10 40 80 0   "national_id";
    jp_my_number        jp "9999 9999 9999"     my_number   20 40 90 55  "national_id";
    kr_rrn              kr "999999-9999999"     rrn         40 85 92 0   "national_id";
    kr_frn              kr "999999-9999999"     frn         40 85 92 0   "national_id";
    kr_brn              kr "999-99-99999"       brn         20 75 88 0   "company_id tax_id";
    kr_driver_license   kr "99-99-999999-99"    license_kr  10 75 88 0   "driver_license";
    kr_passport         kr "A999A9999"          passport_kr 45 45 88 0   "passport";
    sg_nric             sg "A9999999A"          nric        75 75 92 60  "national_id";
    sg_uen              sg "999999999A"         uen         35 35 85 0   "company_id";
    sg_uen              sg "99999999A"          uen         30 30 85 0   "company_id";
    sg_uen              sg "A99AA9999A"         uen         70 70 85 0   "company_id";
    my_nric             my "999999-99-9999"     mykad       20 85 92 0   "national_id";
    id_nik              id "9999999999999999"   nik         25 25 88 0   "national_id";
    th_tnin             th "9-9999-99999-99-9"  thai        30 92 92 60  "national_id";
    vn_cccd             vn "999999999999"       plain       5  5  78 0   "national_id";
    ph_tin              ph "999-999-999-999"    plain       10 45 85 0   "tax_id";
    ph_tin              ph "999-999-999"        plain       5  10 80 0   "tax_id";
    ph_sss              ph "99-9999999-9"       plain       5  40 85 0   "health_insurance";
    ph_umid             ph "9999-9999999-9"     plain       5  45 85 0   "national_id";
    tr_tckn             tr "99999999999"        tckn        60 60 94 0   "national_id";
    tr_vkn              tr "9999999999"         vkn         10 10 88 0   "tax_id";
    il_id               il "999999999"          israeli     20 20 92 55  "national_id";
    ae_emirates_id      ae "784-9999-9999999-9" emirates    70 95 95 75  "national_id";
    sa_national_id      sa "9999999999"         saudi       20 20 90 0   "national_id";
    kw_civil_id         kw "999999999999"       kuwaiti     45 45 90 0   "national_id";
    ir_national_code    ir "999-999999-9"       iranian     15 75 90 0   "national_id";
    eg_national_id      eg "99999999999999"     egyptian    40 40 88 0   "national_id";
    za_id               za "999999 9999 999"    south       60 80 92 55  "national_id";
    ng_nin              ng "99999999999"        plain       5  5  85 0   "";
    ng_bvn              ng "22999999999"        plain       5  5  85 0   "";
    ke_kra_pin          ke "A999999999A"        kra         55 55 88 0   "tax_id";
    gh_card             gh "gha-999999999-9"    plain       85 90 92 0   "national_id";
    ma_cin              ma "AA999999"           plain       10 10 70 0   "";
    au_tfn              au "999 999 999"        tfn         20 45 90 55  "tax_id";
    au_abn              au "99 999 999 999"     abn         40 70 92 0   "company_id tax_id";
    au_acn              au "999 999 999"        acn         20 45 90 0   "company_id";
    au_medicare         au "9999 99999 9"       medicare    35 65 92 0   "health_insurance";
    nz_ird              nz "999-999-999"        ird         20 45 90 0   "tax_id";
    nz_ird              nz "99-999-999"         ird         10 40 90 0   "tax_id";
    nz_nhi              nz "AAA9999"            nhi         20 20 90 0   "health_insurance";
];

fn plain(text: &[u8]) -> Held {
    formed(!same(text))
}

fn aadhaar(text: &[u8]) -> Held {
    // A number that reads the same backwards is never given out.
    let mirrored = text.iter().eq(text.iter().rev());
    summed(byte(text, 0) > b'1' && !mirrored && !same(text), verhoeff(text))
}

fn pan(text: &[u8]) -> Held {
    formed(among(text, 3, 1, b"ABCEFGHJLPTKN") && number(text, 5, 9) > 0)
}

fn gstin(text: &[u8]) -> Held {
    let sum = text.iter().take(14).enumerate().fold(0, |sum, (n, byte)| {
        let product = value(*byte) * if n % 2 == 0 { 1 } else { 2 };
        sum + product / 36 + product % 36
    });
    let form =
        matches!(number(text, 0, 2), 1..=38 | 97 | 99) && byte(text, 12) != b'0' && byte(text, 13) == b'Z';
    match summed(form, (36 - sum % 36) % 36 == value(byte(text, 14))) {
        // The form alone is hardly ever anything else.
        Held::Bad => Held::Plain,
        held => held,
    }
}

fn ifsc(text: &[u8]) -> Held {
    formed(text.iter().skip(5).filter(|byte| byte.is_ascii_digit()).count() >= 4)
}

fn cnic(text: &[u8]) -> Held {
    formed(matches!(byte(text, 0), b'1'..=b'8') && !same(text))
}

/// Year and day of the year, women 500 higher.
fn nic(text: &[u8]) -> Held {
    formed(matches!(byte(text, 9), b'V' | b'X') && matches!(number(text, 2, 5), 1..=366 | 501..=866))
}

fn resident(text: &[u8]) -> Held {
    let province = matches!(number(text, 0, 2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83);
    let last = byte(text, 17);
    let born = day(number(text, 6, 10), number(text, 10, 12), number(text, 12, 14));
    summed(province && born && (last.is_ascii_digit() || last == b'X'), mod11_2(text))
}

fn taiwan(text: &[u8]) -> Held {
    let places = [
        10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31,
        33,
    ];
    let place = usize::from(byte(text, 0).wrapping_sub(b'A'));
    let place = places.get(place).copied().unwrap_or(0);
    let digits = text.get(1..).unwrap_or_default();
    let sum = place / 10 + place % 10 * 9 + weighted(digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    summed(matches!(byte(text, 1), b'1' | b'2' | b'8' | b'9'), sum.is_multiple_of(10))
}

/// One or two letters (a blank before one counts 36), six digits, a check digit or A.
fn hkid(text: &[u8]) -> Held {
    let Some((last, body)) = text.split_last() else { return Held::No };
    let blank = if body.len() == 7 { 36 * 9 } else { 0 };
    let weights = (2..=9).rev().skip(8 - body.len().min(8));
    let sum: u32 = body.iter().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum();
    let check = (11 - (sum + blank) % 11) % 11;
    summed(last.is_ascii_digit() || *last == b'A', value(*last) == check)
}

fn macau(text: &[u8]) -> Held {
    formed(matches!(byte(text, 0), b'1' | b'5' | b'7'))
}

fn my_number(text: &[u8]) -> Held {
    let rest = weighted(text, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    summed(!same(text), (if rest < 2 { 0 } else { 11 - rest }) == digit(text, 11))
}

/// Residents have 1 to 4 after the birthday, foreigners 5 to 8. Since October 2020 there is no check digit.
/// A Korean's number: the seventh digit is the century and the sex.
fn rrn(text: &[u8]) -> Held {
    if matches!(byte(text, 6), b'5'..=b'8') { Held::No } else { registered(text) }
}

/// A foreigner's, who is registered under digits of their own.
fn frn(text: &[u8]) -> Held {
    if matches!(byte(text, 6), b'5'..=b'8') { registered(text) } else { Held::No }
}

fn registered(text: &[u8]) -> Held {
    let century = match byte(text, 6) {
        b'9' | b'0' => return Held::No,
        b'1' | b'2' | b'5' | b'6' => 1900,
        _ => 2000,
    };
    let born = day(century + number(text, 0, 2), number(text, 2, 4), number(text, 4, 6));
    let rest = weighted(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11;
    let check = (11 - rest) % 10;
    let foreign = (13 - rest) % 10;
    let known =
        check == digit(text, 12) || (matches!(byte(text, 6), b'5'..=b'8') && foreign == digit(text, 12));
    match summed(born, known) {
        Held::Bad => Held::Plain,
        held => held,
    }
}

fn brn(text: &[u8]) -> Held {
    let last = digit(text, 8) * 5;
    let sum = weighted(text, &[1, 3, 7, 1, 3, 7, 1, 3]) + last / 10 + last % 10;
    summed(number(text, 0, 3) > 100 && !same(text), (10 - sum % 10) % 10 == digit(text, 9))
}

fn license_kr(text: &[u8]) -> Held {
    formed(matches!(number(text, 0, 2), 11..=26 | 28))
}

fn passport_kr(text: &[u8]) -> Held {
    formed(among(text, 0, 1, b"MSRODG"))
}

fn nric(text: &[u8]) -> Held {
    let (extra, letters): (u32, &[u8]) = match byte(text, 0) {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return Held::No,
    };
    let sum = (weighted(text.get(1..8).unwrap_or_default(), &[2, 7, 6, 5, 4, 3, 2]) + extra) % 11;
    // The list for M is read from the other end.
    let at = if byte(text, 0) == b'M' { 10 - sum } else { sum };
    let letter = if byte(text, 0) == b'M' { b"KLJNPQRTUWX".as_slice() } else { letters };
    summed(true, usize::try_from(at).ok().and_then(|at| letter.get(at)) == Some(&byte(text, 8)))
}

fn uen(text: &[u8]) -> Held {
    match text.len() {
        9 => {
            let sum = weighted(text, &[10, 4, 9, 3, 8, 2, 7, 1]) % 11;
            let check = usize::try_from(sum).ok().and_then(|at| b"XMKECAWLJDB".get(at));
            summed(true, check == text.get(8))
        }
        10 if byte(text, 0).is_ascii_digit() => {
            let sum = weighted(text, &[10, 8, 6, 4, 9, 7, 5, 3, 1]) % 11;
            let check = usize::try_from(sum).ok().and_then(|at| b"ZKCMDNERGWH".get(at));
            summed((1800..=2099).contains(&number(text, 0, 4)), check == text.get(9))
        }
        _ => {
            let letters = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
            let rank = |byte: &u8| {
                letters.iter().position(|it| it == byte).and_then(|at| u32::try_from(at).ok()).unwrap_or(0)
            };
            let weights = [4, 3, 5, 3, 10, 2, 2, 5, 7];
            let sum: u32 = text.iter().zip(weights).map(|(byte, weight)| rank(byte) * weight).sum();
            let check = (i64::from(sum) - 5).rem_euclid(11);
            let check = usize::try_from(check).ok().and_then(|at| letters.get(at));
            summed(among(text, 0, 1, b"RST"), check == text.get(9))
        }
    }
}

fn mykad(text: &[u8]) -> Held {
    let place = number(text, 6, 8);
    formed(
        yymmdd(text, 0)
            && matches!(place, 1..=16 | 21..=59 | 60..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99),
    )
}

/// Province, regency, district, birthday (women +40), serial.
fn nik(text: &[u8]) -> Held {
    let day_of_month = number(text, 6, 8) % 40;
    let province =
        matches!(number(text, 0, 2), 11..=21 | 31..=36 | 51..=53 | 61..=65 | 71..=76 | 81 | 82 | 91..=97);
    let month = (1..=12).contains(&number(text, 8, 10)) && (1..=31).contains(&day_of_month);
    formed(province && month && number(text, 12, 16) > 0 && number(text, 2, 4) > 0)
}

fn thai(text: &[u8]) -> Held {
    let sum = weighted(text, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    summed(byte(text, 0) != b'0' && !same(text), (11 - sum % 11) % 10 == digit(text, 12))
}

fn tckn(text: &[u8]) -> Held {
    let at = |n| i64::from(digit(text, n));
    let odd = at(0) + at(2) + at(4) + at(6) + at(8);
    let even = at(1) + at(3) + at(5) + at(7);
    let first = (odd * 7 - even).rem_euclid(10);
    summed(byte(text, 0) != b'0', first == at(9) && (odd + even + first) % 10 == at(10))
}

fn vkn(text: &[u8]) -> Held {
    let part = |n: usize, byte: &u8| {
        let turned = (value(*byte) + 9 - u32::try_from(n).unwrap_or(0)) % 10;
        let power = u32::try_from(9 - n).map_or(1, |it| 2_u32.pow(it));
        let product = turned * power % 9;
        if turned != 0 && product == 0 { 9 } else { product }
    };
    let sum: u32 = text.iter().take(9).enumerate().map(|(n, byte)| part(n, byte)).sum();
    summed(!same(text), (10 - sum % 10) % 10 == digit(text, 9))
}

fn israeli(text: &[u8]) -> Held {
    summed(!same(text), luhn(text))
}

fn emirates(text: &[u8]) -> Held {
    summed(matches!(number(text, 3, 7), 1900..=2099), luhn(text))
}

fn saudi(text: &[u8]) -> Held {
    summed(matches!(byte(text, 0), b'1' | b'2') && !same(text), luhn(text))
}

fn kuwaiti(text: &[u8]) -> Held {
    let sum = weighted(text, &[2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
    summed(matches!(byte(text, 0), b'1'..=b'3') && yymmdd(text, 1), 11 - sum == digit(text, 11))
}

fn iranian(text: &[u8]) -> Held {
    let rest = weighted(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    summed(!same(text), digit(text, 9) == if rest < 2 { rest } else { 11 - rest })
}

fn egyptian(text: &[u8]) -> Held {
    let century = match byte(text, 0) {
        b'2' => 1900,
        b'3' => 2000,
        _ => return Held::No,
    };
    let province = matches!(number(text, 7, 9), 1..=4 | 11..=19 | 21..=29 | 31..=35 | 88);
    formed(day(century + number(text, 1, 3), number(text, 3, 5), number(text, 5, 7)) && province)
}

fn south(text: &[u8]) -> Held {
    summed(yymmdd(text, 0) && matches!(byte(text, 10), b'0'..=b'2'), luhn(text))
}

fn kra(text: &[u8]) -> Held {
    formed(matches!(byte(text, 0), b'A' | b'P'))
}

fn tfn(text: &[u8]) -> Held {
    summed(!same(text), weighted(text, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11))
}

fn abn(text: &[u8]) -> Held {
    let sum = weighted(text, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    summed(byte(text, 0) != b'0', sum >= 10 && (sum - 10).is_multiple_of(89))
}

fn acn(text: &[u8]) -> Held {
    let sum = weighted(text, &[8, 7, 6, 5, 4, 3, 2, 1]);
    summed(!same(text), (10 - sum % 10) % 10 == digit(text, 8))
}

fn medicare(text: &[u8]) -> Held {
    let sum = weighted(text, &[1, 3, 7, 9, 1, 3, 7, 9]);
    summed(matches!(byte(text, 0), b'2'..=b'6') && byte(text, 9) != b'0', sum % 10 == digit(text, 8))
}

fn ird(text: &[u8]) -> Held {
    let Some((last, body)) = text.split_last() else { return Held::No };
    let padded =
        |weights: &[u32]| weighted(body, weights.get(8 - body.len().min(8)..).unwrap_or_default()) % 11;
    let first = padded(&[3, 2, 7, 6, 5, 4, 3, 2]);
    let rest = if first == 1 { padded(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { first };
    let whole = number(text, 0, text.len());
    let form = (10_000_000..=150_000_000).contains(&whole);
    summed(form, rest != 1 && (11 - rest) % 11 == value(*last))
}

/// Three letters without I and O, three digits, a check digit mod 11.
fn nhi(text: &[u8]) -> Held {
    let rank = |byte: u8| match byte {
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'N' => u32::from(byte - b'A'),
        b'P'..=b'Z' => u32::from(byte - b'A') - 1,
        _ => value(byte),
    };
    let sum: u32 = text.iter().take(6).zip([7, 6, 5, 4, 3, 2]).map(|(b, w)| rank(*b) * w).sum();
    let letters = among(text, 0, 3, b"ABCDEFGHJKLMNPQRSTUVWXYZ");
    summed(letters && !sum.is_multiple_of(11), (11 - sum % 11) % 10 == digit(text, 6))
}
