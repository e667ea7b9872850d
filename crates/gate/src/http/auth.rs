//! Where a request carries its key. Answerable for there being one key or none; who it belongs to is the ring's.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};

use super::Problem;

/// The longest secret worth looking up, in bytes.
const LONGEST: usize = 256;

/// The secret of a request: in `Authorization: Bearer`, in `X-API-Key`, or the same in both.
pub(super) fn secret(headers: &HeaderMap) -> Result<&str, Problem> {
    let bearer = only(headers, &AUTHORIZATION)?.map(of_bearer).transpose()?;
    let plain = only(headers, &HeaderName::from_static("x-api-key"))?;
    match (bearer, plain) {
        (None, None) => Err(Problem::no_key()),
        // Two keys are two callers, and it is not for us to choose.
        (Some(a), Some(b)) if a != b => Err(Problem::wrong_key()),
        (Some(secret), _) | (None, Some(secret)) if secret.len() <= LONGEST => Ok(secret),
        _ => Err(Problem::wrong_key()),
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| Problem::wrong_key()),
        (Some(_), Some(_)) => Err(Problem::wrong_key()),
    }
}

fn of_bearer(text: &str) -> Result<&str, Problem> {
    match text.split_once(' ') {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") => Ok(secret.trim()),
        _ => Err(Problem::no_key()),
    }
}
