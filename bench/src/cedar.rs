//! The peers in process: cedar-policy with policies of the same meaning, and cel with one condition.
//!
//! Both get everything they need prepared; only the evaluation is timed. Neither keeps limits, digests an action or
//! says what would have to be different.

use std::fmt::Write as _;
use std::str::FromStr as _;

use cedar_policy::{Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Program, Value};

use crate::policies::{ARGS, Rules, agent, own};

/// cedar-policy with its policies parsed and no entities.
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Cedar {
    /// Ten policies for each of so many agents.
    pub fn ten_each(rules: Rules, agents: usize) -> Self {
        let mut text = String::new();
        for n in 0..agents {
            rules.in_cedar().iter().for_each(|rule| write_policy(&mut text, n, rule));
        }
        Self::of(&text)
    }

    /// One policy for each of so many agents: the one that allows the refund.
    pub fn one_each(agents: usize) -> Self {
        let mut text = String::new();
        for n in 0..agents {
            write_policy(&mut text, n, &("permit", "stripe.refund", "context.args.amount <= 200"));
        }
        Self::of(&text)
    }

    fn of(text: &str) -> Self {
        let policies = PolicySet::from_str(text).expect("the bench's own policies");
        Self { authorizer: Authorizer::new(), policies, entities: Entities::empty() }
    }

    /// Evaluates; panics if the refund is not allowed, as a wrong answer is no measurement.
    pub fn decide(&self, request: &Request) -> Decision {
        let decision = self.authorizer.is_authorized(request, &self.policies, &self.entities).decision();
        assert_eq!(decision, Decision::Allow, "cedar decides otherwise");
        decision
    }
}

fn write_policy(text: &mut String, n: usize, (effect, tools, when): &(&str, &str, &str)) {
    let (agent, when) = (agent(n), own(when, n));
    let tools: Vec<String> = tools.split(',').map(|tool| format!("Action::\"{tool}\"")).collect();
    let action = match tools.as_slice() {
        [one] => format!("action == {one}"),
        many => format!("action in [{}]", many.join(", ")),
    };
    let when = if when.is_empty() { String::new() } else { format!(" when {{ {when} }}") };
    writeln!(text, "{effect}(principal == Agent::\"{agent}\", {action}, resource){when};")
        .expect("memory takes text");
}

/// The refund as cedar-policy sees it.
pub fn request(agent: &str) -> Request {
    let uid = |text: String| EntityUid::from_str(&text).expect("the bench's own names");
    let args: serde_json::Value = serde_json::from_str(ARGS).expect("the bench's own JSON");
    let context = serde_json::json!({
        "args": args, "user": "u-4711", "session_id": "s-815", "step": "3", "environment": "production",
    });
    let context = Context::from_json_value(context, None).expect("the bench's own context");
    let (principal, action) =
        (uid(format!("Agent::\"{agent}\"")), uid("Action::\"stripe.refund\"".to_owned()));
    Request::new(principal, action, uid("Tool::\"stripe\"".to_owned()), context, None).expect("a request")
}

/// cel with one condition compiled, a context with its functions, and the values of five variables.
pub struct Cel {
    program: Program,
    context: cel::Context<'static, 'static>,
    values: [(&'static str, Value); 5],
    held: Held,
}

/// The same values where cel can borrow them.
struct Held(Vec<(&'static str, Box<dyn Val>)>);

impl VariableResolver for Held {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let (_, value) = self.0.iter().find(|(name, _)| *name == variable)?;
        Some(CowVal::Borrowed(&**value))
    }
}

impl Cel {
    /// The condition of the rule that allows the refund.
    pub fn new() -> Self {
        let args: [(&str, Value); 4] = [
            ("amount", Value::Int(150)),
            ("currency", "USD".into()),
            ("customer", "cus_8123".into()),
            ("reason", "requested by customer".into()),
        ];
        let args: std::collections::HashMap<&str, Value> = args.into();
        let values = [
            ("args", Value::Map(args.into())),
            ("agent_id", agent(0).into()),
            ("tool", "stripe.refund".into()),
            ("user", "u-4711".into()),
            ("environment", "production".into()),
        ];
        let hold =
            |(name, value): &(&'static str, Value)| (*name, value.clone().try_into().expect("a plain value"));
        let held = Held(values.iter().map(hold).collect());
        let program = Program::compile("args.amount <= 200").expect("the bench's own condition");
        Self { program, context: cel::Context::default(), values, held }
    }

    /// Binds the five and executes: the plain way to use it.
    pub fn bind_and_execute(&self) -> bool {
        let mut scope = self.context.new_inner_scope();
        for (name, value) in &self.values {
            scope.add_variable_from_value(*name, value.clone());
        }
        self.execute(&scope)
    }

    /// Executes over values it borrows and need not bind: the best that can be had of it.
    pub fn borrow_and_execute(&self) -> bool {
        let context: &cel::Context<'_, '_> = &self.context;
        let mut scope = context.new_inner_scope();
        scope.set_variable_resolver(&self.held);
        self.execute(&scope)
    }

    fn execute(&self, scope: &cel::Context<'_, '_>) -> bool {
        let value = self.program.execute(scope);
        assert!(matches!(value, Ok(Value::Bool(true))), "cel decides otherwise");
        true
    }
}
