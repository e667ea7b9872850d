//! Conditions: what they are worth, what is refused, what is said of them, and that they agree with CEL.

mod faults;
mod hostile;
mod lints;
mod oracle;
mod table;

use verdict::Json;
use verdict::condition::{Condition, Root, Scope};

/// The roots that the tests' expressions start from.
pub const ROOTS: &[&str] = &["args", "tool", "environment", "user", "now", "labels", "absent"];

/// Compiles, or panics with the faults.
pub fn compiled(source: &str) -> Condition {
    Condition::compile(source, ROOTS).unwrap_or_else(|faults| panic!("`{source}`: {faults:?}"))
}

/// Runs `then` with values for [`ROOTS`].
pub fn with_scope<T>(args: &str, then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let args = Json::parse(args.as_bytes()).unwrap();
    let labels = ["untrusted".to_owned(), "private".to_owned()];
    let user = [("name", Root::Str("ann")), ("team", Root::Absent), ("age", Root::Int(41))];
    let roots = [
        Root::Json(&args),
        Root::Str("stripe.refund"),
        Root::Str("production"),
        Root::Fields(&user),
        // 2026-01-31T09:30:15.250Z, a Saturday.
        Root::Time(1_769_851_815_250_000),
        Root::Strs(&labels),
        Root::Absent,
    ];
    then(&Scope(&roots))
}

/// What an expression is worth: `true`, `false`, or the sentence of the error.
pub fn worth(source: &str, args: &str) -> String {
    let condition = compiled(source);
    with_scope(args, |scope| match condition.eval(scope) {
        Ok(b) => b.to_string(),
        Err(error) => error.to_string(),
    })
}
