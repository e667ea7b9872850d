//! The names of hosts: one spelling for each, and what is odd about the ones that were made to be misread.
//!
//! Knows letters and number forms; whether a name may be reached is a boundary's to say.

use core::net::{IpAddr, Ipv4Addr};
use std::borrow::Cow;

use url::Host;
use verdict::HostTarget;

use super::address;

/// Every reading of a host's spelling, the standard's first. Port and scheme are left open.
///
/// # Errors
/// A sentence, if the standard has no reading of it, or one that no name server would know.
pub fn read(spelled: &str) -> Result<Vec<HostTarget>, String> {
    if is_ordinary(spelled) {
        return Ok(vec![named(spelled.trim_end_matches('.').to_owned(), None)]);
    }
    let bracketed = spelled.starts_with('[');
    // A zone says through which of our own cables; the address is the same. Only link-local ones have any.
    let bare = match spelled.split_once('%') {
        Some((before, _)) if bracketed && spelled.to_ascii_lowercase().starts_with("[fe80:") => {
            Cow::Owned(format!("{before}]"))
        }
        _ => Cow::Borrowed(spelled),
    };
    let standard = parse(&bare)?;
    let mut found = vec![standard];
    if let Some(decimal) = decimal(spelled) {
        found.push(at(decimal.into()));
    }
    if spelled.contains(['\u{DF}', '\u{1E9E}', '\u{3C2}', '\u{200C}', '\u{200D}']) {
        let older = spelled.replace(['\u{DF}', '\u{1E9E}'], "ss").replace('\u{3C2}', "\u{3C3}");
        let older = older.replace(['\u{200C}', '\u{200D}'], "");
        found.extend(parse(&older).ok().filter(|one| !found.contains(one)));
    }
    Ok(found)
}

/// Lower-case letters, digits, hyphens and dots, no punycode, and not a number at the end.
fn is_ordinary(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() < 254
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
        && last.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.contains("xn--")
        && !name.starts_with('.')
        && !name.contains("..")
}

fn parse(text: &str) -> Result<HostTarget, String> {
    match Host::parse(text) {
        Ok(Host::Ipv4(v4)) => Ok(at(v4.into())),
        Ok(Host::Ipv6(v6)) => Ok(at(v6.into())),
        Ok(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
            let has_gap = name.split('.').any(str::is_empty);
            if !is_name || has_gap || name.len() > 253 {
                return Err("the host has letters that no host's name has".to_owned());
            }
            let odd = oddity(text, &name);
            Ok(named(name, odd))
        }
        Err(_) => Err("the host is neither a name nor an address".to_owned()),
    }
}

fn at(address: IpAddr) -> HostTarget {
    HostTarget {
        host: address.to_string(),
        address: Some(address::unwrapped(address)),
        ..HostTarget::default()
    }
}

fn named(name: String, odd: Option<&'static str>) -> HostTarget {
    let address = address::in_name(&name);
    HostTarget { host: name, address, odd: odd.map(Cow::Borrowed), ..HostTarget::default() }
}

/// Four parts of which some start with a zero: octal by the standard, decimal to others.
fn decimal(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    }
    let has_zero = text.split('.').any(|part| part.len() > 1 && part.starts_with('0'));
    (has_zero && parts.next().is_none_or(str::is_empty)).then(|| Ipv4Addr::from(octets))
}

/// What is odd about a name that is not plain ASCII.
fn oddity(spelled: &str, name: &str) -> Option<&'static str> {
    if spelled.is_ascii() && !name.contains("xn--") {
        return spelled.contains('%').then_some("the name is percent-encoded");
    }
    let (unicode, _) = url_unicode(name);
    if unicode.split('.').any(is_confusable) {
        return Some("letters that look like others");
    }
    (!name.contains("xn--")).then_some("letters that stand for others")
}

/// The name with its punycode labels spelled out.
fn url_unicode(name: &str) -> (String, bool) {
    let (unicode, result) = idna::domain_to_unicode(name);
    (unicode, result.is_ok())
}

/// Whether a label mixes alphabets, or is written in one so that it reads as Latin.
fn is_confusable(label: &str) -> bool {
    let mut latin = false;
    let mut other = false;
    let mut all_alike = true;
    for c in label.chars().filter(|c| c.is_alphabetic()) {
        match c {
            'a'..='z' | '\u{DF}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => latin = true,
            '\u{250}'..='\u{2AF}' | '\u{1D00}'..='\u{1DBF}' => return true,
            // Greek, Cyrillic, Armenian, Cherokee, and their extensions.
            '\u{370}'..='\u{58F}'
            | '\u{13A0}'..='\u{13FF}'
            | '\u{1C80}'..='\u{1C8F}'
            | '\u{AB70}'..='\u{ABBF}' => {
                other = true;
                all_alike &= ALIKE.contains(c);
            }
            _ => all_alike = false,
        }
    }
    other && (latin || all_alike)
}

/// Letters of other alphabets that a reader takes for Latin ones.
const ALIKE: &str = "аеорсухіјѕһԁԛԝьѵѡӏгпмтвнкзбαοιυνκρτχγηωεօոսհյզցքիԼⲟ";

/// Whether the part before an `@` was made to be taken for the host.
pub fn host_like(user: &str) -> bool {
    let name = user.split(':').next().unwrap_or_default();
    let Some((before, last)) = name.rsplit_once('.') else { return false };
    let is_top = last.len() >= 2 && last.bytes().all(|b| b.is_ascii_alphabetic());
    !before.is_empty() && (is_top || name.parse::<Ipv4Addr>().is_ok())
        || user.contains(['/', '\\', '#', '?', ' '])
}
