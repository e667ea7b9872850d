//! What a detector reports, before it is known which argument or result the text is.

use std::borrow::Cow;
use std::ops::Range;

use verdict::{Finding, Risk};

/// Something seen in a text. Holds no part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// `secret`, `personal_data`, `prompt_injection`, `hidden_text`, `stack_trace`, `pattern`, `canary`, `too_long`.
    pub kind: &'static str,
    /// Which one: `aws_access_key`, `iban`, a pattern's name.
    pub name: Cow<'static, str>,
    /// Where, in bytes of the original text.
    pub span: Range<usize>,
    /// How bad it is.
    pub severity: Risk,
    /// How sure the detector is, in hundredths.
    pub confidence: u8,
    /// Whether its checksum holds, where its format has one.
    pub verified: Option<bool>,
}

impl Hit {
    /// What goes on record; `place` is a JSON pointer to the text.
    pub fn finding(&self, place: &str) -> Finding {
        Finding {
            kind: Cow::Borrowed(self.kind),
            name: self.name.clone(),
            place: place.to_owned(),
            span: Some((self.span.start, self.span.end)),
            severity: self.severity,
            confidence: self.confidence,
            verified: self.verified,
        }
    }
}
