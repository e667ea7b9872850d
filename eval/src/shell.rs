//! Shell scripts: how many parse, and how many of the destructive and of the ordinary ones the default boundary for
//! commands refuses. `SHELL_SHOW=1` prints the rows that went the other way.

use inspect::{Surroundings, shell};
use verdict::boundary::Hazards;

use crate::Row;
use crate::set::{Sets, label, text};

/// Measures.
pub fn run(sets: &Sets) -> Vec<Row> {
    let mut rows = Vec::new();
    let around = Surroundings::default();
    let shows = std::env::var_os("SHELL_SHOW").is_some();
    // What a gate does about a command where its policy says nothing of commands.
    let refused = |script: &str| !Hazards::default().breaches(&shell::effects(script, &around)).is_empty();

    let corpus = sets.rows("sh_dcg_corpus");
    for (wanted, measure, aim) in [(1, "refused", ">= 97 %"), (0, "false positives", "<= 2 %")] {
        let of: Vec<&str> =
            corpus.iter().filter(|row| label(row) == Some(wanted)).map(|row| text(row, "text")).collect();
        let hits = of.iter().filter(|it| refused(it)).count();
        if shows {
            of.iter().filter(|it| refused(it) != (wanted == 1)).for_each(|it| println!("dcg {wanted}: {it}"));
        }
        rows.push(Row::new("shell", "sh_dcg_corpus", measure, hits, of.len()).aiming(aim));
    }
    for (set, aim) in [("sh_tldr", Some(">= 98 %")), ("sh_intercode_nl2bash", None)] {
        let all = sets.rows(set);
        let scripts: Vec<&str> = all.iter().map(|row| text(row, "text")).collect();
        let parsed = scripts.iter().filter(|it| shell::parses(it)).count();
        if shows {
            scripts.iter().filter(|it| !shell::parses(it)).for_each(|it| println!("{set} unparsed: {it}"));
            scripts.iter().filter(|it| shell::parses(it) && refused(it)).for_each(|it| println!("{set} refused: {it}"));
        }
        let row = Row::new("shell", set, "parsed", parsed, scripts.len());
        rows.push(match aim {
            Some(aim) => row.aiming(aim),
            None => row,
        });
        let hits = scripts.iter().filter(|it| refused(it)).count();
        rows.push(Row::new("shell", set, "refused", hits, scripts.len()));
    }
    let injections = sets.rows("sh_patt_command_injection");
    let scripts: Vec<&str> = injections.iter().map(|row| text(row, "text")).collect();
    let hits = scripts.iter().filter(|it| refused(it)).count();
    rows.push(Row::new("shell", "sh_patt_command_injection", "refused", hits, scripts.len()));
    // Most of these are fragments that ask for harmless things: what counts is that no command in them is missed.
    let seen = scripts.iter().filter(|it| !shell::effects(it, &around).is_empty()).count();
    rows.push(Row::new("shell", "sh_patt_command_injection", "seen at all", seen, scripts.len()));
    rows
}
