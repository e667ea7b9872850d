//! Figures for secrets.
//!
//! A row of a set of cases counts as found if anything in it is. The sets' negatives say of one rule that it
//! must not match; some of them hold a secret of another kind. So there are two measures: what is found in a
//! negative at all, and what is found of the very provider that the rule is about. What a finding below fifty
//! hundredths says is a note on which nothing is refused; it is measured apart.

use inspect::Hit;

use crate::Row;
use crate::set::{Sets, label, text};

/// From here on a finding counts against an action.
const SURE: u8 = 50;

fn found(text: &str) -> Vec<Hit> {
    let mut hits = Vec::new();
    inspect::secret::find(text, &mut hits);
    hits
}

/// Rules that their authors file under identifiers: they find whose key one would need, and no key.
const NAMES: [&str; 11] = [
    "np.age.1",
    "np.arn.1",
    "np.aws.3",
    "np.gcs.1",
    "np.gcs.2",
    "np.google.1",
    "np.linkedin.1",
    "np.reactapp.1",
    "np.s3.1",
    "np.s3.2",
    "np.shopify.1",
];

/// `np.slack.2` and `slack-bot-token` are both about `slack`.
fn provider(rule: &str) -> &str {
    let rule = rule.strip_prefix("np.").unwrap_or(rule);
    rule.split(['.', '-']).next().unwrap_or_default()
}

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut all = [[0_usize; 4]; 2];
    let (mut secrets, mut told) = (0, 0);
    for set in ["sec_gitleaks_cases", "sec_noseyparker_examples"] {
        let (mut positive, mut caught, mut sure) = (0, 0, 0);
        let (mut negative, mut wrong, mut wrong_sure, mut own) = (0, 0, 0, 0);
        for row in sets.rows(set) {
            let hits = found(text(&row, "text"));
            let best = hits.iter().map(|hit| hit.confidence).max();
            let is_sure = best.is_some_and(|best| best >= SURE);
            if label(&row) == Some(1) {
                positive += 1;
                caught += usize::from(best.is_some());
                let is_secret = !NAMES.contains(&text(&row, "rule"));
                secrets += usize::from(is_secret);
                told += usize::from(is_secret && best.is_some());
                sure += usize::from(is_sure);
                explain("missed", best.is_none(), &row, &hits);
                explain("unsure", best.is_some() && !is_sure, &row, &hits);
            } else {
                negative += 1;
                wrong += usize::from(best.is_some());
                wrong_sure += usize::from(is_sure);
                let rule = provider(text(&row, "rule"));
                own += usize::from(hits.iter().any(|hit| hit.confidence >= SURE && hit.name.starts_with(rule)));
                explain("wrong", is_sure, &row, &hits);
                explain("noted", !is_sure && best.is_some(), &row, &hits);
            }
        }
        rows.push(Row::new("secrets", set, "recall, notes too", caught, positive));
        rows.push(Row::new("secrets", set, "recall", sure, positive));
        rows.push(Row::new("secrets", set, "false positives, notes too", wrong, negative));
        rows.push(Row::new("secrets", set, "false positives", wrong_sure, negative));
        rows.push(Row::new("secrets", set, "false positives of the rule's provider", own, negative));
        for (sums, counts) in all.iter_mut().zip([[caught, sure, positive, 0], [wrong, wrong_sure, negative, own]]) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
    let [[caught, sure, positive, _], [_, wrong, negative, own]] = all;
    rows.push(Row::new("secrets", "both", "recall, notes too", caught, positive).aiming(">= 97 %"));
    rows.push(Row::new("secrets", "both", "recall", sure, positive));
    rows.push(Row::new("secrets", "both", "recall, notes too, without identifiers", told, secrets));
    rows.push(Row::new("secrets", "both", "false positives", wrong, negative));
    rows.push(Row::new("secrets", "both", "false positives of the rule's provider", own, negative).aiming("<= 3 %"));
    for (set, aim) in [
        ("sec_benign_lockfile_lines", "0"),
        ("benign_readmes_dev", "<= 0.3 %"),
        ("benign_self_instruct", ""),
        ("benign_enron", ""),
        ("benign_role_prompts", ""),
        ("benign_injecagent_tool_responses", ""),
        ("path_benign_repo_files", ""),
        ("url_benign_readme_links", ""),
        ("sh_tldr", ""),
    ] {
        benign(sets, set, aim, &mut rows);
    }
    rows
}

fn benign(sets: &Sets, set: &str, aim: &str, rows: &mut Vec<Row>) {
    let (mut all, mut sure, mut any) = (0, 0, 0);
    for row in sets.rows(set) {
        let whole = row.as_object().map(|object| object.values().filter_map(|value| value.as_str()).collect::<Vec<_>>());
        let whole = whole.unwrap_or_default().join("\n");
        let hits = found(&whole);
        all += 1;
        any += usize::from(!hits.is_empty());
        let is_sure = hits.iter().any(|hit| hit.confidence >= SURE);
        sure += usize::from(is_sure);
        explain("wrong", is_sure, &serde_json::json!({"text": whole, "rule": set}), &hits);
        explain("noted", !is_sure && !hits.is_empty(), &serde_json::json!({"text": whole, "rule": set}), &hits);
    }
    rows.push(Row::new("secrets", set, "false positives", sure, all).aiming(aim));
    rows.push(Row::new("secrets", set, "notes", any, all));
}

/// With PORTCULLIS_EXPLAIN set, what went wrong where.
fn explain(what: &str, is_so: bool, row: &serde_json::Value, hits: &[Hit]) {
    if is_so && std::env::var_os("PORTCULLIS_EXPLAIN").is_some() {
        let shown: String = text(row, "text").chars().take(300).collect();
        let names: Vec<String> = hits
            .iter()
            .map(|hit| format!("{}:{}:{:?}", hit.name, hit.confidence, text(row, "text").get(hit.span.clone())))
            .collect();
        eprintln!("  {what} {} {shown:?} {names:?}", text(row, "rule"));
    }
}
