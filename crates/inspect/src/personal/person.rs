//! Names of people, where a title or a label says that one follows.
//!
//! Answerable for nothing that only looks like a name: capitals alone mean nothing.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::Reader;
use super::judge::Found;

const GIVEN: &str = include_str!("../../data/personal_given_names.txt");

static GIVEN_NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| GIVEN.split_whitespace().collect());

/// Labels whose value is a person's name, small and without what joins their words; in order.
const NAMES: &[&str] = &[
    "accountholder",
    "achternaam",
    "apellido",
    "apellidos",
    "applicantname",
    "attn",
    "authorname",
    "beneficiaryname",
    "billingname",
    "cardholder",
    "cardholdername",
    "childname",
    "clientname",
    "cognome",
    "contactname",
    "contactperson",
    "customername",
    "displayname",
    "drivername",
    "emergencycontact",
    "employeename",
    "etunimi",
    "familyname",
    "fathername",
    "firstname",
    "forename",
    "fornamn",
    "fullname",
    "givenname",
    "guestname",
    "holdername",
    "imię",
    "lastname",
    "legalname",
    "maidenname",
    "membername",
    "middlename",
    "mothername",
    "nachname",
    "nameoncard",
    "nazwisko",
    "nombre",
    "nombrecompleto",
    "nomdefamille",
    "ownername",
    "passengername",
    "patient",
    "patientname",
    "payeename",
    "personname",
    "preferredname",
    "prénom",
    "realname",
    "receivername",
    "recipientname",
    "sendername",
    "sobrenome",
    "spousename",
    "studentname",
    "sukunimi",
    "surname",
    "teachername",
    "tenantname",
    "travelername",
    "username_full",
    "voornaam",
    "vorname",
    "имя",
    "фамилия",
    "фио",
    "姓名",
    "氏名",
    "성명",
    "이름",
];
/// Labels whose value is a name of something, or of somebody.
const WEAK: &[&str] = &[
    "assignee", "author", "bcc", "cc", "from", "name", "naam", "nom", "nome", "owner", "person", "to", "user",
];
/// Labels whose value is where somebody lives.
const PLACES: &[&str] = &[
    "address",
    "address1",
    "addressline1",
    "adres",
    "adress",
    "adresse",
    "anschrift",
    "billingaddress",
    "currentaddress",
    "customeraddress",
    "deliveryaddress",
    "destination",
    "destinationaddress",
    "dirección",
    "domicilio",
    "endereço",
    "homeaddress",
    "indirizzo",
    "location",
    "mailingaddress",
    "postaladdress",
    "residence",
    "residentialaddress",
    "shippingaddress",
    "street",
    "streetaddress",
    "useraddress",
    "workaddress",
    "адрес",
    "住址",
    "住所",
    "地址",
    "주소",
];
/// What a label says of its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Person,
    Perhaps,
    Place,
}

static LABELS: LazyLock<HashMap<&'static str, Says>> = LazyLock::new(|| {
    let all = [(NAMES, Says::Person), (WEAK, Says::Perhaps), (PLACES, Says::Place)];
    all.into_iter().flat_map(|(list, says)| list.iter().map(move |it| (*it, says))).collect()
});

/// Who is addressed without being named.
const NOBODY: &[&str] = &[
    "Mr",
    "Mrs",
    "Ms",
    "Miss",
    "Dr",
    "Prof",
    "Herr",
    "Frau",
    "All",
    "Applicant",
    "Candidate",
    "Chair",
    "Colleague",
    "Colleagues",
    "Community",
    "Contributor",
    "Customer",
    "Customers",
    "Developer",
    "Editor",
    "Everyone",
    "Folks",
    "Friend",
    "Friends",
    "Guest",
    "Hiring",
    "Human",
    "Ladies",
    "Lord",
    "Madam",
    "Manager",
    "Member",
    "Members",
    "Reader",
    "Readers",
    "Santa",
    "Sir",
    "Sirs",
    "Student",
    "Students",
    "Subscriber",
    "Support",
    "Team",
    "The",
    "User",
    "Users",
    "Valued",
    "Diary",
    "God",
    "President",
    "Doctor",
    "Professor",
    "Not",
    "In",
    "A",
    "An",
    "This",
    "That",
    "It",
    "Your",
    "My",
    "Our",
    "Strange",
];
const PARTICLES: &[&str] = &[
    "de", "del", "della", "der", "den", "di", "da", "do", "dos", "du", "la", "le", "van", "von", "zu", "bin",
    "ibn", "al", "el", "ter", "ten", "af", "y", "e",
];

impl Reader<'_, '_> {
    /// The name behind a title at `start..end`.
    pub(super) fn titled_name(&self, start: usize, end: usize) -> Option<Found> {
        let title = self.text.get(start..end)?;
        let spoken = title.ends_with("is ") || title.ends_with("s ") && title.contains('\'');
        if self.before(start).is_ascii_alphanumeric() || (title.starts_with("name") && self.byte(end) == b' ')
        {
            return None;
        }
        let closing = title.contains("egards") || title == "Sincerely";
        let rest = self.window(end, 64)?;
        let skipped = if closing {
            // The name stands on a line of its own.
            let line = rest.strip_prefix(',').or_else(|| rest.strip_prefix(" yours,")).unwrap_or(rest);
            let name = line.trim_start_matches(['\r', '\n', ' ', '>']);
            (rest.len() - name.len() < 12 && line.len() - name.len() > 0 && line.starts_with(['\n', '\r']))
                .then_some(rest.len() - name.len())?
        } else {
            let head = rest.trim_start_matches(|c: char| c.is_alphabetic() && c.is_lowercase());
            let head = head.trim_start_matches('.').trim_start_matches(' ');
            rest.len() - head.len()
        };
        let from = end + skipped;
        if skipped > 8 && !closing {
            return None;
        }
        let (name_start, name_end, words) = self.name(from)?;
        let first = self.text.get(name_start..name_end)?.split(' ').next()?;
        if NOBODY.contains(&first.trim_end_matches([',', '.'])) {
            return None;
        }
        let confidence = match title {
            _ if spoken => 80,
            "Dear " if words > 3 => return None,
            _ if closing && (words < 2 && !GIVEN_NAMES.contains(first)) => return None,
            _ => 75,
        };
        Some(Found { name: "person_name", start: name_start, end: name_end, confidence, verified: None })
    }

    /// The value of the field whose label ends with the colon at `colon`, if the label says what it is.
    pub(super) fn field_value(&self, colon: usize) -> Option<Found> {
        let label = self.label(colon)?;
        let says = *LABELS.get(label.as_str())?;
        let rest = self.window(colon + 1, 32)?;
        let window = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let mut from = colon + 1 + window.min(16);
        if matches!(self.byte(from), b'"' | b'\'') {
            from += 1;
        }
        if says == Says::Place {
            return self.whole_place(from);
        }
        let (start, end, words) = self.name(from)?;
        let after = self.byte(end);
        let closes = matches!(after, 0 | b'"' | b'\'' | b'\n' | b'\r' | b',' | b'<' | b'|' | b';' | b')')
            || (after == b' ' && matches!(self.byte(end + 1), b'<' | b'(' | b'|' | b'\n' | b'['))
            || (after == b'\\' && matches!(self.byte(end + 1), b'n' | b'r' | b'"'));
        let first = self.text.get(start..end)?.split(' ').next()?;
        let confidence = match words {
            _ if !closes => return None,
            _ if says == Says::Person => 80,
            2..=4 if GIVEN_NAMES.contains(first) => 72,
            2..=3 => 42,
            1 if GIVEN_NAMES.contains(first) => 50,
            _ => return None,
        };
        Some(Found { name: "person_name", start, end, confidence, verified: None })
    }

    /// The label before the colon at `colon`: small, without quotes and what joins its words.
    fn label(&self, colon: usize) -> Option<String> {
        let mut end = colon;
        let near = self.before(end);
        if !(near.is_ascii_alphabetic()
            || !near.is_ascii()
            || matches!(near, b' ' | b'"' | b'\'' | b'*' | b'`' | b'1'))
        {
            return None;
        }
        while matches!(self.before(end), b' ' | b'"' | b'\'' | b'*' | b'`') && colon - end < 4 {
            end -= 1;
        }
        let floor = end.saturating_sub(40);
        let before = self.bytes.get(floor..end)?;
        let joins =
            |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || matches!(byte, b'_' | b'-');
        let mut length = before.iter().rev().take_while(|byte| joins(byte)).count();
        // `Full name:` and `Billing address:` are two words.
        let word = before.get(before.len() - length..)?;
        if word.eq_ignore_ascii_case(b"name") || word.eq_ignore_ascii_case(b"address") {
            let more = before.get(..before.len() - length)?;
            if more.last() == Some(&b' ') {
                length += 1 + more.iter().rev().skip(1).take_while(|byte| byte.is_ascii_alphabetic()).count();
            }
        }
        let mut start = end - length;
        while !self.text.is_char_boundary(start) {
            start += 1;
        }
        let text = self.text.get(start..end).filter(|it| it.len() > 1)?;
        let small: String =
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        (!small.is_empty() && small.len() <= 32).then_some(small)
    }

    /// Words with capitals at `from`, as names have them: start, end, how many.
    fn name(&self, from: usize) -> Option<(usize, usize, usize)> {
        let rest = self.window(from, 160)?;
        let (mut end, mut kept, mut words) = (from, from, 0);
        for word in rest.split(' ').take(6) {
            let bare: usize = word
                .char_indices()
                .find(|(_, c)| !(c.is_alphabetic() || matches!(c, '\'' | '’' | '-' | '.')))
                .map_or(word.len(), |(at, _)| at);
            let part = word.get(..bare.min(48))?;
            let initial = part.len() == 2 && part.ends_with('.');
            let part = if initial { part } else { part.trim_end_matches(['.', '\'', '-', '’']) };
            let capital =
                part.chars().next().is_some_and(|c| c.is_uppercase() || (!c.is_ascii() && !c.is_lowercase()));
            let particle = words > 0 && PARTICLES.contains(&part);
            if !(capital || particle) || part.contains("..") {
                break;
            }
            if capital {
                words += 1;
                kept = end + part.len();
            }
            end += part.len() + 1;
            if part.len() != word.len() || words == 4 {
                break;
            }
        }
        let text = self.text.get(from..kept)?;
        let letters = text.chars().filter(|c| c.is_alphabetic()).count();
        (words > 0 && letters > 1).then_some((from, kept, words))
    }
}
