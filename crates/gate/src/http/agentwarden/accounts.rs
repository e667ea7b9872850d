//! `/auth/*`: accounts are the gate's keys.
//!
//! There is no second kind of secret. Whoever runs the gate makes a key for a name; that name is the e-mail address,
//! the key's secret is the password, and the token that a login gives is that same key. Nobody makes an account for
//! themselves.

use serde_json::{Value, json};
use verdict::KeyRole;

use super::{organization, uuid_of};
use crate::clock::rfc3339;
use crate::http::onceonly::read;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::{self, Reply};
use crate::http::{Call, halted};
use crate::keys::Caller;
use crate::wire::agentwarden::Login;

pub(in crate::http) async fn register(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    read(&call, Login::of)?;
    let why = "accounts are made by whoever runs the gate: `portcullis keys create --role admin --name EMAIL`; \
               log in with that name, and the key as the password";
    Err(Problem::forbidden(why.to_owned()))
}

pub(in crate::http) async fn login(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let Login { email, password } = read(&call, Login::of)?;
    let found = call.app.ring.find(&password, call.now());
    let found = match found {
        None if call.app.ring.look_again(&call.app.gate.desk).await => {
            call.app.ring.find(&password, call.now())
        }
        found => found,
    };
    let wrong = || Problem { detail: "Invalid email or password".to_owned(), ..Problem::wrong_key() };
    let caller = found.filter(|caller| caller.name == email).ok_or_else(wrong)?;
    reply::json(&json!({"access_token": password, "token_type": "bearer", "user": user(&caller)}))
}

pub(in crate::http) async fn me(call: Call) -> Result<Reply, Problem> {
    Query::read(&call.query, &[])?;
    let caller = call.caller()?;
    let key = caller.key.clone();
    let made = call.app.gate.desk.ask(move |books| books.keys().find(|it| it.id == key).map(|it| it.t));
    let made = made.await.map_err(|halt| halted(&halt))?;
    let mut user = user(caller);
    if let Value::Object(user) = &mut user {
        user.insert("created_at".to_owned(), made.map(rfc3339).into());
    }
    reply::json(&user)
}

fn user(caller: &Caller) -> Value {
    json!({
        "id": uuid_of("user", &caller.name),
        "email": caller.name,
        "organization_id": organization(caller.realm),
        "is_admin": caller.role == KeyRole::Admin,
    })
}
