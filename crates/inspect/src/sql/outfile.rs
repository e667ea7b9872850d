//! `SELECT ... INTO OUTFILE`, which the parser does not know: the file is told, and the clause taken out.

use std::borrow::Cow;

use super::lex::{Kind, Token, lex};
use crate::place;

use super::Batch;

/// The text without the clause; its file goes to `batch`.
pub(super) fn without<'t>(batch: &mut Batch, text: &'t str) -> Cow<'t, str> {
    if !batch.dialect.has_outfile() || text.len() > super::LONGEST || !mentions(text) {
        return Cow::Borrowed(text);
    }
    let lexed = lex(text, batch.dialect.rules());
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    let mut rest = lexed.tokens.as_slice();
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let [what, file, tail @ ..] = after else { continue };
        if !token.is("into") || !(what.is("outfile") || what.is("dumpfile")) || file.kind != Kind::Quoted {
            continue;
        }
        let path = file.text.trim_matches(['\'', '"']);
        batch.push(place::file("fs.write", Some(path)).noting("writes a file of the server"));
        let skipped = tail.iter().take_while(|token| !ends(token)).count();
        let end = tail.get(skipped).map_or(text.len(), |token| token.start);
        kept.push_str(text.get(from..token.start).unwrap_or_default());
        kept.push(' ');
        from = end;
        rest = tail.get(skipped..).unwrap_or_default();
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(kept)
}

fn mentions(text: &str) -> bool {
    text.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"file"))
}

/// Whether the options of the clause end here.
fn ends(token: &Token<'_>) -> bool {
    token.sign(b';')
        || token.sign(b')')
        || ["from", "for", "union", "limit", "where", "format"].iter().any(|word| token.is(word))
}
