//! Numbers that the states of central and eastern Europe give to people, and what a right one is.
//!
//! Answerable for form and check digits; where in a text they stand, and what is said around them, is not
//! known here.

use super::checksum::{
    Held, byte, day, ddmmyy, digit, formed, mod11_10, number, same, short_day, summed, value, weighted,
};
use super::shape::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    pl_pesel            pl "99999999999"        pesel       45 45 94 55  "national_id";
    pl_nip              pl "999-999-99-99"      nip         20 75 90 55  "tax_id company_id";
    pl_nip              pl "999-99-99-999"      nip         20 75 90 55  "tax_id company_id";
    pl_regon            pl "999999999"          regon       10 10 88 0   "company_id";
    pl_id_card          pl "AAA 999999"         card_pl     40 45 90 0   "national_id";
    cz_rodne_cislo      cz "999999/9999"        rodne       30 85 92 0   "national_id";
    cz_rodne_cislo      cz "999999/999"         rodne9      10 60 85 0   "national_id";
    sk_rodne_cislo      sk "999999/9999"        rodne       30 85 92 0   "national_id";
    hu_taj              hu "999 999 999"        taj         20 35 90 0   "health_insurance";
    hu_tax_id           hu "8999999999"         tax_hu      30 30 90 0   "tax_id";
    hu_personal_id      hu "9-999999-9999"      personal_hu 40 80 90 0   "national_id";
    ro_cnp              ro "9999999999999"      cnp         70 70 94 60  "national_id";
    bg_egn              bg "9999999999"         egn         35 35 92 55  "national_id";
    hr_oib              hr "99999999999"        oib         30 30 92 55  "national_id tax_id";
    si_emso             si "9999999999999"      emso        70 70 92 55  "national_id";
    rs_jmbg             rs "9999999999999"      emso        70 70 92 55  "national_id";
    si_tax_id           si "99999999"           tax_si      10 10 88 0   "tax_id";
    ee_isikukood        ee "99999999999"        isikukood   45 45 92 55  "national_id";
    lt_asmens_kodas     lt "99999999999"        isikukood   45 45 92 55  "national_id";
    lv_personas_kods    lv "999999-99999"       latvian     40 70 92 0   "national_id";
    ru_inn              ru "999999999999"       inn12       45 45 92 0   "tax_id";
    ru_inn              ru "9999999999"         inn10       10 10 90 0   "tax_id company_id";
    ru_snils            ru "999-999-999 99"     snils       35 92 94 60  "national_id health_insurance";
    ru_passport         ru "99 99 999999"       plain       5  45 85 0   "passport";
    ua_tax_number       ua "9999999999"         rnokpp      15 15 90 0   "tax_id";
    by_personal_number  by "9999999A999AA9"     belarus     75 75 92 0   "national_id passport";
    al_nid              al "A99999999A"         albanian    45 45 88 0   "national_id";
    md_idnp             md "2999999999999"      idnp        30 30 88 0   "national_id";
    ge_personal_number  ge "99999999999"        plain       5  5  78 0   "national_id";
    kz_iin              kz "999999999999"       iin         55 55 90 0   "national_id tax_id";
    az_fin              az "X9XXXXX"            plain       5  5  75 0   "";
];

fn plain(text: &[u8]) -> Held {
    formed(!same(text))
}

/// The century hides in the month: +80 for the 1800s, +20, +40, +60 for the next.
fn pesel(text: &[u8]) -> Held {
    let (year, month) = (number(text, 0, 2), number(text, 2, 4));
    let century = match month / 20 {
        0 => 1900,
        1 => 2000,
        4 => 1800,
        _ => return Held::No,
    };
    let sum = weighted(text, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    summed(day(century + year, month % 20, number(text, 4, 6)), sum.is_multiple_of(10))
}

fn nip(text: &[u8]) -> Held {
    let sum = weighted(text, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11;
    summed(!same(text) && number(text, 0, 3) > 100, sum == digit(text, 9))
}

fn regon(text: &[u8]) -> Held {
    summed(!same(text), weighted(text, &[8, 9, 2, 3, 4, 5, 6, 7]) % 11 % 10 == digit(text, 8))
}

fn card_pl(text: &[u8]) -> Held {
    summed(true, weighted(text, &[7, 3, 1, 9, 7, 3, 1, 7, 3]).is_multiple_of(10))
}

/// Months of women are 50 higher, and 20 more where a day ran out of numbers.
fn rodne_day(text: &[u8]) -> bool {
    let month = number(text, 2, 4) % 50;
    short_day(number(text, 0, 2), if month > 20 { month - 20 } else { month }, number(text, 4, 6))
}

fn rodne(text: &[u8]) -> Held {
    let whole = number(text, 0, 10);
    let old = number(text, 0, 9) % 11 == 10 && digit(text, 9) == 0;
    summed(rodne_day(text), whole.is_multiple_of(11) || old)
}

fn rodne9(text: &[u8]) -> Held {
    formed(rodne_day(text) && number(text, 0, 2) < 54)
}

fn taj(text: &[u8]) -> Held {
    summed(!same(text), weighted(text, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == digit(text, 8))
}

fn tax_hu(text: &[u8]) -> Held {
    let sum = weighted(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9]) % 11;
    summed(!same(text), sum == digit(text, 9))
}

fn personal_hu(text: &[u8]) -> Held {
    let sum = weighted(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) % 11;
    let newer = weighted(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]) % 11;
    let form = matches!(byte(text, 0), b'1'..=b'8') && super::checksum::yymmdd(text, 1);
    summed(form, sum == digit(text, 10) || newer == digit(text, 10))
}

fn cnp(text: &[u8]) -> Held {
    let county = matches!(number(text, 7, 9), 1..=48 | 51 | 52 | 70 | 80..=83);
    let form = byte(text, 0) != b'0' && super::checksum::yymmdd(text, 1) && county;
    let sum = weighted(text, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    summed(form, (if sum == 10 { 1 } else { sum }) == digit(text, 12))
}

fn egn(text: &[u8]) -> Held {
    let (year, month) = (number(text, 0, 2), number(text, 2, 4));
    let (century, month) = match month {
        41..=52 => (2000, month - 40),
        21..=32 => (1800, month - 20),
        _ => (1900, month),
    };
    let sum = weighted(text, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    summed(day(century + year, month, number(text, 4, 6)), sum == digit(text, 9))
}

fn oib(text: &[u8]) -> Held {
    summed(!same(text), mod11_10(text))
}

/// Day, month, the last three of the year, region, serial, check: the number of what was Yugoslavia.
fn emso(text: &[u8]) -> Held {
    let year = number(text, 4, 7);
    let year = if year < 800 { 2000 + year } else { 1000 + year };
    let sum = weighted(text, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if sum == 0 { 0 } else { 11 - sum };
    summed(year < 2050 && day(year, number(text, 2, 4), number(text, 0, 2)), check == digit(text, 12))
}

fn tax_si(text: &[u8]) -> Held {
    let check = 11 - weighted(text, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    summed(byte(text, 0) != b'0', (if check == 10 { 0 } else { check }) == digit(text, 7))
}

fn isikukood(text: &[u8]) -> Held {
    let first = weighted(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(text, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let check = match (first, second) {
        (10, 10) => 0,
        (10, it) | (it, _) => it,
    };
    let form = matches!(byte(text, 0), b'1'..=b'8') && super::checksum::yymmdd(text, 1);
    summed(form, check == digit(text, 10))
}

fn latvian(text: &[u8]) -> Held {
    // Since 2017 numbers begin with 32 and say nothing of the birthday.
    let newer = number(text, 0, 2) == 32;
    let sum = 1101 - i64::from(weighted(text, &[1, 6, 3, 7, 9, 10, 5, 8, 4, 2]));
    let check = sum.rem_euclid(11) % 10;
    if newer {
        return formed(!same(text));
    }
    summed(ddmmyy(text, 0) && matches!(byte(text, 6), b'0'..=b'2'), check == i64::from(digit(text, 10)))
}

fn inn10(text: &[u8]) -> Held {
    let sum = weighted(text, &[2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    summed(!same(text) && number(text, 0, 2) > 0, sum == digit(text, 9))
}

fn inn12(text: &[u8]) -> Held {
    let first = weighted(text, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    let second = weighted(text, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    summed(!same(text) && number(text, 0, 2) > 0, first == digit(text, 10) && second == digit(text, 11))
}

fn snils(text: &[u8]) -> Held {
    let sum = u64::from(weighted(text, &[9, 8, 7, 6, 5, 4, 3, 2, 1])) % 101 % 100;
    summed(number(text, 0, 9) > 1_001_998 && !same(text), sum == number(text, 9, 11))
}

fn rnokpp(text: &[u8]) -> Held {
    // Weights -1, 5, 7, 9, 4, 6, 10, 5, 7: eleven less one, to stay above nought.
    let sum = weighted(text, &[10, 5, 7, 9, 4, 6, 10, 5, 7]) % 11 % 10;
    summed(!same(text), sum == digit(text, 9))
}

fn belarus(text: &[u8]) -> Held {
    let sum = weighted(text, &[7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1, 7]) % 10;
    let form = matches!(byte(text, 0), b'1'..=b'6') && ddmmyy(text, 1);
    summed(form, sum == digit(text, 13))
}

/// A letter for the decade, the year, the month (women +50), the day, a serial and a letter.
fn albanian(text: &[u8]) -> Held {
    let month = number(text, 2, 4) % 50;
    formed((1..=12).contains(&month) && (1..=31).contains(&number(text, 4, 6)) && value(byte(text, 0)) < 32)
}

fn idnp(text: &[u8]) -> Held {
    let sum = weighted(text, &[7, 3, 1, 7, 3, 1, 7, 3, 1, 7, 3, 1]) % 10;
    summed(!same(text), sum == digit(text, 12))
}

fn iin(text: &[u8]) -> Held {
    let first = weighted(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) % 11;
    let second = weighted(text, &[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]) % 11;
    let check = if first == 10 { second } else { first };
    let form = super::checksum::yymmdd(text, 0) && matches!(byte(text, 6), b'0'..=b'6');
    summed(form, check == digit(text, 11))
}
