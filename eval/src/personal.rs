//! Figures for personal data.
//!
//! How spans are matched: a span of the set is found if some finding of a fitting kind overlaps it by at least
//! half of the longer of the two; a finding that overlaps no span of the set by half is a false positive. Of
//! the recognisers' cases without spans only the number counts. Each recogniser's cases are judged as its
//! authors do, who run it alone: what other kinds find in the same text is not counted against it. What our
//! defaults find there, with all kinds on, is reported apart.

use inspect::Hit;
use inspect::personal::{Settings, find, find_in};
use serde_json::Value;

use crate::Row;
use crate::set::{Sets, text};

const PART: &str = "personal";
const CASES: &str = "pii_presidio_recognizer_cases";
const GENERATED: &str = "pii_presidio_generated";

/// Counts of one kind.
#[derive(Clone, Copy, Default)]
struct Count {
    right: usize,
    missed: usize,
    wrong: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.missed += other.missed;
        self.wrong += other.wrong;
    }

    /// F1 as a share: twice the right ones of themselves, what was missed and what was wrong.
    fn rows(self, set: &str, kind: &str, aim: Option<&str>) -> Vec<Row> {
        let row = |measure: &str, hits, of| Row::new(PART, set, &format!("{kind}: {measure}"), hits, of);
        let f1 = row("f1", 2 * self.right, 2 * self.right + self.missed + self.wrong);
        vec![
            row("recall", self.right, self.right + self.missed),
            row("precision", self.right, self.right + self.wrong),
            if let Some(aim) = aim { f1.aiming(aim) } else { f1 },
        ]
    }
}

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let mut rows = cases(sets);
    rows.extend(generated(sets));
    for set in [
        "benign_readmes_dev",
        "path_benign_repo_files",
        "sec_benign_lockfile_lines",
        "benign_self_instruct",
        "sql_text2sql",
        "sh_tldr",
    ] {
        rows.extend(benign(sets, set));
    }
    for set in ["benign_enron", "benign_injecagent_tool_responses"] {
        rows.extend(seen(sets, set));
    }
    rows
}

/// What a recogniser of the set finds, in our names; `None` for what is not personal data or not a matter of form.
fn ours(recogniser: &str) -> Option<&'static [&'static str]> {
    Some(match recogniser {
        "email" => &["email"],
        "phone" | "tr_phone_number" | "ph_mobile_number" => &["phone"],
        "credit_card" => &["payment_card"],
        "iban" => &["iban"],
        "ip" => &["ip_address"],
        "mac" => &["mac_address"],
        "crypto" => &["bitcoin_address", "ethereum_address"],
        "aba_routing" => &["us_bank_routing"],
        "us_bank" => &["us_bank_number", "bank_account"],
        "us_driver_license" => &["driver_license"],
        "in_voter" => &["in_voter_id"],
        "za_id_number" => &["za_id"],
        "tr_national_id" => &["tr_tckn"],
        "fi_personal_identity_code" => &["fi_hetu"],
        "se_organisationsnummer" => &["se_orgnummer"],
        "certificate_number" => &["us_dea"],
        "sg_fin" => &["sg_nric"],
        "it_vat_code" => &["it_vat"],
        "it_identity_card" => &["it_id_card"],
        "de_passport" | "de_id_card" => &["de_id_card", "passport"],
        "de_fuehrerschein" => &["de_driver_license", "driver_license"],
        "de_handelsregister" => &["company_id"],
        "de_lanr" => &["de_doctor"],
        "de_bsnr" => &["de_practice"],
        "de_tax_number" => &["de_tax_number"],
        "us_passport" => &["us_passport", "passport"],
        "spacy" | "transformers" | "stanza" | "huggingface_ner" | "pattern" | "url" | "date" | "de_plz"
        | "uk_postcode" => return None,
        "de_kfz"
        | "tr_license_plate"
        | "uk_vehicle_registration"
        | "ng_vehicle_registration"
        | "in_vehicle_registration" => &["vehicle_plate"],
        _ => &[],
    })
}

/// Kinds that are told by their form or check digits; the others need words around them.
fn by_form(recogniser: &str) -> bool {
    let by_words = [
        "us_bank",
        "us_driver_license",
        "us_passport",
        "passport",
        "plate",
        "vehicle",
        "kfz",
        "handelsregister",
        "de_bsnr",
        "in_voter",
        "it_identity_card",
        "it_driver_license",
        "fuehrerschein",
        "voter",
    ];
    !by_words.iter().any(|word| recogniser.contains(word))
}

fn cases(sets: &Sets) -> Vec<Row> {
    let (mut alone, mut bare, mut words) = (Count::default(), Count::default(), Count::default());
    let (mut clean, mut noisy) = (0, 0);
    for row in sets.rows(CASES) {
        let recogniser = text(&row, "recognizer");
        let Some(names) = ours(recogniser) else { continue };
        let fits =
            |hit: &&Hit| if names.is_empty() { hit.name == recogniser } else { names.contains(&&*hit.name) };
        let body = text(&row, "text");
        let expected = usize::try_from(row.get("n").and_then(Value::as_u64).unwrap_or(0)).unwrap_or(0);
        let spans: Option<Vec<(usize, usize)>> = row.get("spans").and_then(Value::as_array).map(|spans| {
            spans
                .iter()
                .filter_map(|span| bytes(body, span.get(0)?.as_u64()?, span.get(1)?.as_u64()?))
                .collect()
        });
        let mut hits = Vec::new();
        find(body, &mut hits);
        let kept: Vec<&Hit> = hits.iter().filter(fits).collect();
        let count = judged(&kept, expected, spans.as_deref());
        if by_form(recogniser) {
            bare.add(count)
        } else {
            words.add(count)
        }
        if expected == 0 {
            clean += 1;
            noisy += usize::from(!kept.is_empty());
        }
        // Alone, and down to what only might be one: as the set's authors ran theirs.
        let mut hits = Vec::new();
        find_in(body, &Settings { least: 30, ..Settings::default() }, &mut hits);
        let kept: Vec<&Hit> = hits.iter().filter(fits).collect();
        if by_form(recogniser) {
            alone.add(judged(&kept, expected, spans.as_deref()));
        }
        if std::env::var_os("PORTCULLIS_SHOW").is_some() && count.missed + count.wrong > 0 {
            let seen: Vec<_> = hits.iter().map(|hit| (&hit.name, hit.confidence)).collect();
            eprintln!("{recogniser}\t{expected}\t{body:?}\t{seen:?}");
        }
    }
    let mut rows = bare.rows(CASES, "structured", Some(">= 90 %"));
    rows.extend(alone.rows(CASES, "structured, from confidence 30", None));
    rows.extend(words.rows(CASES, "told by words", None));
    rows.push(Row::new(PART, CASES, "negatives with a finding of the kind", noisy, clean));
    rows
}

fn judged(hits: &[&Hit], expected: usize, spans: Option<&[(usize, usize)]>) -> Count {
    match spans {
        Some(spans) if spans.len() == expected => matched(spans, hits),
        _ => {
            let right = expected.min(hits.len());
            Count { right, missed: expected - right, wrong: hits.len() - right }
        }
    }
}

fn matched(spans: &[(usize, usize)], hits: &[&Hit]) -> Count {
    let over = |(start, end): (usize, usize), hit: &Hit| {
        let shared = end.min(hit.span.end).saturating_sub(start.max(hit.span.start));
        2 * shared >= (end - start).max(hit.span.len())
    };
    let right = spans.iter().filter(|span| hits.iter().any(|hit| over(**span, hit))).count();
    let wrong = hits.iter().filter(|hit| !spans.iter().any(|span| over(*span, hit))).count();
    Count { right, missed: spans.len() - right, wrong }
}

/// The set counts in characters, we in bytes.
fn bytes(body: &str, start: u64, end: u64) -> Option<(usize, usize)> {
    let at = |n: u64| {
        let n = usize::try_from(n).ok()?;
        Some(body.char_indices().nth(n).map_or(body.len(), |(at, _)| at))
    };
    Some((at(start)?, at(end)?))
}

fn generated(sets: &Sets) -> Vec<Row> {
    let kinds: [(&str, &[&str]); 9] = [
        ("EMAIL_ADDRESS", &["email"]),
        ("PHONE_NUMBER", &["phone"]),
        ("CREDIT_CARD", &["payment_card"]),
        ("IBAN_CODE", &["iban"]),
        ("US_SSN", &["us_ssn", "us_itin"]),
        ("US_DRIVER_LICENSE", &["driver_license"]),
        ("IP_ADDRESS", &["ip_address"]),
        ("PERSON", &["person_name"]),
        ("ADDRESS", &["postal_address"]),
    ];
    let mut counts = [Count::default(); 9];
    for row in sets.rows(GENERATED) {
        let body = text(&row, "text");
        let mut hits = Vec::new();
        find(body, &mut hits);
        for ((kind, names), count) in kinds.iter().zip(&mut counts) {
            let listed = row.get("spans").and_then(Value::as_array).cloned().unwrap_or_default();
            let spans: Vec<(usize, usize)> = listed
                .iter()
                .filter(|span| text(span, "type") == *kind)
                .filter_map(|span| bytes(body, span.get("start")?.as_u64()?, span.get("end")?.as_u64()?))
                .collect();
            let kept: Vec<&Hit> = hits.iter().filter(|hit| names.contains(&&*hit.name)).collect();
            let one = matched(&spans, &kept);
            if std::env::var_os("PORTCULLIS_SHOW").is_some()
                && *kind != "PERSON"
                && *kind != "ADDRESS"
                && one.missed + one.wrong > 0
            {
                let seen: Vec<_> =
                    hits.iter().map(|hit| (&hit.name, hit.confidence, body.get(hit.span.clone()))).collect();
                eprintln!("{kind}\t{:?}\t{seen:?}", body);
            }
            count.add(one);
        }
    }
    let mut rows = Vec::new();
    let mut all = Count::default();
    for ((kind, _), count) in kinds.iter().zip(counts) {
        let structured = !["PERSON", "ADDRESS"].contains(kind);
        if structured {
            all.add(count);
        }
        rows.extend(count.rows(GENERATED, &kind.to_lowercase(), structured.then_some(">= 90 %")));
    }
    rows.extend(all.rows(GENERATED, "structured", Some(">= 90 %")));
    rows
}

/// Sets that hold hardly any personal data: rows with a finding, with e-mail addresses and names and without.
fn benign(sets: &Sets, set: &str) -> Vec<Row> {
    let rows = sets.rows(set);
    let (mut any, mut numbers) = (0, 0);
    for row in &rows {
        let mut hits = Vec::new();
        let body = ["text", "sql", "query", "command", "cmd", "path", "line"]
            .iter()
            .map(|key| text(row, key))
            .find(|it| !it.is_empty())
            .unwrap_or_default();
        find(body, &mut hits);
        any += usize::from(!hits.is_empty());
        let odd: Vec<&Hit> =
            hits.iter().filter(|hit| !["email", "ip_address", "person_name"].contains(&&*hit.name)).collect();
        numbers += usize::from(!odd.is_empty());
        if std::env::var_os("PORTCULLIS_SHOW").is_some() {
            for hit in &hits {
                eprintln!("{set}\t{}\t{}\t{:?}", hit.name, hit.confidence, body.get(hit.span.clone()));
            }
        }
    }
    vec![
        Row::new(PART, set, "rows with a finding", any, rows.len()),
        Row::new(PART, set, "rows with a finding but e-mail, IP address or name", numbers, rows.len()),
    ]
}

/// Sets that hold personal data which nobody marked: how many rows have some.
fn seen(sets: &Sets, set: &str) -> Vec<Row> {
    let rows = sets.rows(set);
    let mut any = 0;
    for row in &rows {
        let mut hits = Vec::new();
        let body = text(row, "text");
        find(body, &mut hits);
        any += usize::from(!hits.is_empty());
        if std::env::var_os("PORTCULLIS_SHOW").is_some() {
            for hit in &hits {
                eprintln!("{set}\t{}\t{}\t{:?}", hit.name, hit.confidence, body.get(hit.span.clone()));
            }
        }
    }
    vec![Row::new(PART, set, "rows with a finding (unmarked)", any, rows.len())]
}
