//! What is written correctly and cannot be meant: rules that never match, limits that never count.
//!
//! Answerable for mistakes and warnings that show only when several places are seen together. It errs
//! towards silence: what it reports is certain, what is certain it may not report. Only rules of one
//! agent, or of one role, are held against each other: that an agent denies what its role allows is how
//! a role is narrowed.

use hashbrown::{HashMap, HashSet};

use super::problem::Report;
use super::read::{Gathered, Holder, Limited, Written};
use crate::action::short;
use crate::limit::Meter;
use crate::near::{SUGGESTIONS, nearest, within};
use crate::policy::{Pattern, Rule, RuleKind, Tool, UnknownTool};

/// Comparisons that all lints together may take. A file that was made to be slow is looked at less
/// closely; it is not taken any more readily.
const EFFORT: usize = 2_000_000;

struct Lint<'d> {
    gathered: &'d Gathered,
    groups: HashMap<&'d str, &'d [String]>,
    /// Everyone who is in a group.
    members: HashSet<&'d str>,
    /// The members of the largest group.
    largest: usize,
    tools: HashMap<&'d str, &'d Tool>,
    effort: usize,
}

/// Adds the mistakes.
pub(super) fn errors(gathered: &Gathered, report: &mut Report) {
    let mut lint = Lint::new(gathered);
    let roles: HashMap<&str, &Holder> = gathered.roles.iter().map(|role| (role.id.as_str(), role)).collect();
    for role in &gathered.roles {
        lint.hidden(role, &[], report);
    }
    for agent in &gathered.agents {
        let held: Vec<&Holder> =
            agent.roles.iter().filter_map(|(name, _)| roles.get(name.as_str()).copied()).collect();
        lint.hidden(agent, &held, report);
    }
    for holder in gathered.agents.iter().chain(&gathered.roles) {
        holder.rules.iter().for_each(|rule| lint.matches_nothing(rule, report));
    }
    let limits = gathered
        .agents
        .iter()
        .chain(&gathered.roles)
        .flat_map(|holder| &holder.limits)
        .chain(&gathered.limits);
    limits.for_each(|limited| lint.counts_nothing(limited, report));
}

/// Adds the warnings. For a gathered without mistakes.
pub(super) fn warnings(gathered: &Gathered, report: &mut Report) {
    let mut lint = Lint::new(gathered);
    for holder in gathered.agents.iter().chain(&gathered.roles) {
        for written in &holder.rules {
            lint.wildcards(written, report);
            lint.answerers(written, report);
            lint.misread(written, report);
            lint.mistyped(written, report);
        }
    }
    lint.idle(report);
    lint.unnamed_tools(report);
    lint.missing_arguments(report);
}

impl<'d> Lint<'d> {
    fn new(gathered: &'d Gathered) -> Self {
        let groups = || gathered.groups.iter();
        Self {
            gathered,
            groups: groups().map(|(name, members)| (name.as_str(), members.as_slice())).collect(),
            members: groups().flat_map(|(_, members)| members).map(String::as_str).collect(),
            largest: groups().map(|(_, members)| members.len()).max().unwrap_or(0),
            tools: gathered.tools.iter().map(|(tool, _)| (tool.name.as_str(), tool)).collect(),
            effort: EFFORT,
        }
    }

    /// False once enough has been compared.
    fn spend(&mut self, comparisons: usize) -> bool {
        self.effort = self.effort.saturating_sub(comparisons);
        self.effort > 0
    }

    /// Allows that an unconditional deny, or an earlier unconditional allow, always hides.
    fn hidden(&mut self, holder: &Holder, held: &[&Holder], report: &mut Report) {
        let unconditional = |written: &&Written| {
            !written.tiered
                && written.rule.effects.is_empty()
                && written.rule.when.as_ref().is_none_or(|when| when.always_true())
        };
        let is = |effect: RuleKind| move |written: &&Written| written.rule.effect == effect;
        let of_roles = held.iter().flat_map(|role| &role.rules);
        let denies: Vec<&Written> =
            holder.rules.iter().chain(of_roles).filter(is(RuleKind::Deny)).filter(unconditional).collect();
        let mut allows: Vec<&Written> = Vec::new();
        for written in holder.rules.iter().filter(is(RuleKind::Allow)) {
            if let Some(deny) = self.covering(&denies, written) {
                let message = format!(
                    "rule `{}` can never match: `{}` always denies before it",
                    short(&written.rule.name),
                    short(&deny.rule.name)
                );
                let help =
                    format!("the deny is at {}; narrow it, or remove one of the two", report.show(deny.at));
                report.error(written.at, message, help);
            } else if let Some(allow) = self.covering(&allows, written) {
                let message = format!(
                    "rule `{}` can never match: `{}` always allows before it",
                    short(&written.rule.name),
                    short(&allow.rule.name)
                );
                let help = format!(
                    "the other is at {}; put the narrower rule first, or remove one of the two",
                    report.show(allow.at)
                );
                report.error(written.at, message, help);
            }
            if unconditional(&written) {
                allows.push(written);
            }
        }
    }

    /// The first of `hiders`, if for every tool of the rule there is one that always matches with it.
    fn covering<'w>(&mut self, hiders: &[&'w Written], hidden: &Written) -> Option<&'w Written> {
        let mut first = None;
        for pattern in &hidden.rule.tools {
            let mut found = None;
            for hider in hiders {
                if !self.spend(hider.rule.tools.len()) {
                    return None;
                }
                let covered = hider.rule.tools.iter().any(|other| covers(other, pattern));
                if covered && self.covers_who(&hider.rule, &hidden.rule) {
                    found = Some(*hider);
                    break;
                }
            }
            first = first.or(Some(found?));
        }
        first
    }

    /// True if every environment and user that `hidden` is for, `hider` is for too.
    fn covers_who(&mut self, hider: &Rule, hidden: &Rule) -> bool {
        let people = self.largest.saturating_add(1);
        let users = hider.users.len().saturating_mul(hidden.users.len());
        let environments = hider.environments.len().saturating_mul(hidden.environments.len());
        if !self.spend(users.saturating_mul(people).saturating_mul(people).saturating_add(environments)) {
            return false;
        }
        let covers = |all: &[String], some: &[String], has: &dyn Fn(&String) -> bool| {
            all.is_empty() || (!some.is_empty() && some.iter().all(has))
        };
        let is_in = |person: &String, name: &String| {
            person == name || self.groups.get(name.as_str()).is_some_and(|members| members.contains(person))
        };
        let has_user = |user: &String| {
            hider.users.iter().any(|name| is_in(user, name))
                || self.groups.get(user.as_str()).is_some_and(|members| {
                    members.iter().all(|member| hider.users.iter().any(|name| is_in(member, name)))
                })
        };
        covers(&hider.environments, &hidden.environments, &|e| hider.environments.contains(e))
            && covers(&hider.users, &hidden.users, &has_user)
    }

    /// Patterns of an allow that no known tool has.
    fn matches_nothing(&mut self, written: &Written, report: &mut Report) {
        if written.rule.effect == RuleKind::Deny || self.gathered.unknown_tool == UnknownTool::Rules {
            return;
        }
        for (pattern, at) in written.rule.tools.iter().zip(&written.tools_at) {
            // A star alone is no misspelt name: it is for whatever tools there will be.
            if pattern.as_str() != "*" && !self.is_known(pattern) {
                let message = format!(
                    "rule `{}` can never match `{}`: no known tool has such a name",
                    short(&written.rule.name),
                    short(pattern.as_str())
                );
                report.error(*at, message, KNOWN.to_owned());
            }
        }
    }

    /// Tools of a limit that nobody knows: it would never count, and so never hold.
    fn counts_nothing(&mut self, limited: &Limited, report: &mut Report) {
        for (pattern, at) in limited.limit.tools.iter().zip(&limited.tools_at) {
            let may_come =
                self.gathered.unknown_tool == UnknownTool::Rules && matches!(pattern, Pattern::Glob(_));
            if may_come || self.is_known(pattern) {
                continue;
            }
            let mut message = format!(
                "the limit can never count `{}`: no known tool has such a name",
                short(pattern.as_str())
            );
            let known = self.gathered.known.iter().map(String::as_str).take(SUGGESTIONS);
            if !report.is_full()
                && let Some(near) = nearest(pattern.as_str(), known)
            {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            report.error(*at, message, KNOWN.to_owned());
        }
    }

    fn is_known(&mut self, pattern: &Pattern) -> bool {
        match pattern {
            Pattern::Exact(name) => self.gathered.known.contains(name),
            // Out of effort: nothing certain is known against it.
            Pattern::Glob(_) => {
                self.gathered.known.iter().any(|tool| !self.spend(1) || pattern.matches(tool))
            }
        }
    }

    fn wildcards(&self, written: &Written, report: &mut Report) {
        if written.rule.effect == RuleKind::Deny {
            return;
        }
        for (pattern, at) in written.rule.tools.iter().zip(&written.tools_at) {
            let Pattern::Glob(glob) = pattern else { continue };
            if glob.chars().all(|c| matches!(c, '*' | '.'))
                || self.gathered.unknown_tool == UnknownTool::Rules
            {
                let message = format!(
                    "rule `{}` allows `{}`, and so tools nobody has looked at",
                    short(&written.rule.name),
                    short(glob)
                );
                report.warn(*at, message, "name the tools, or the services, that it is about".to_owned());
            }
        }
    }

    fn answerers(&self, written: &Written, report: &mut Report) {
        for (name, at) in &written.from {
            if !self.groups.contains_key(name.as_str())
                && !name.contains('@')
                && !self.members.contains(name.as_str())
            {
                let message = format!(
                    "`{}` is not a group of this policy; only keys made with this name or group can answer",
                    short(name)
                );
                report.warn(*at, message, format!("add `{}` with its members under `groups`", short(name)));
            }
        }
        let approvals = written.rules.iter().filter_map(|rule| rule.approval.as_ref());
        for terms in approvals.filter(|terms| !terms.from.is_empty()) {
            let groups: Option<Vec<&[String]>> =
                terms.from.iter().map(|name| self.groups.get(name.as_str()).copied()).collect();
            let people: Option<HashSet<&String>> =
                groups.map(|groups| groups.into_iter().flatten().collect());
            let too_few =
                |people: &HashSet<&String>| u32::try_from(people.len()).is_ok_and(|n| n < terms.quorum);
            if let Some(people) = people.filter(too_few) {
                let message = format!(
                    "rule `{}` waits for {} people, and its groups have {}",
                    short(&written.rule.name),
                    terms.quorum,
                    people.len()
                );
                report.warn(written.at, message, "lower `quorum`, or add people to the groups".to_owned());
            }
        }
    }

    /// A condition that reads an argument whose name is nearly that of a declared one.
    fn misread(&self, written: &Written, report: &mut Report) {
        let (Some(when), Some(at)) = (&written.rule.when, written.when_at) else { return };
        let reads = when.reads();
        for tool in written.rule.tools.iter().filter_map(|pattern| self.tools.get(pattern.as_str())) {
            let declared = || tool.roles.iter().filter_map(|(path, _)| path.first()).map(String::as_str);
            for path in &reads {
                let [root, name, ..] = path.as_slice() else { continue };
                if root != "args" || declared().any(|known| known == name) {
                    continue;
                }
                if let Some(near) = within(name, declared(), 2).filter(|near| near.len() > 2) {
                    let message = format!(
                        "`args.{}` is read, and `{}` declares `{near}`; did you mean `args.{near}`?",
                        short(name),
                        tool.name
                    );
                    report.warn(
                        at,
                        message,
                        "a condition that reads a missing argument never holds".to_owned(),
                    );
                }
            }
        }
    }

    /// A tool named by an allow that is one letter away from a declared one.
    fn mistyped(&mut self, written: &Written, report: &mut Report) {
        for (pattern, at) in written.rule.tools.iter().zip(&written.tools_at) {
            let Pattern::Exact(name) = pattern else { continue };
            // To compare two names costs about a hundred of the other comparisons.
            let declared = self.gathered.tools.iter().map(|(tool, _)| tool.name.as_str());
            if self.tools.contains_key(name.as_str())
                || name.len() < 4
                || !self.spend(self.tools.len().saturating_mul(100))
            {
                continue;
            }
            if let Some(near) = within(name, declared, 1) {
                let message = format!("tool `{}` is not declared; did you mean `{near}`?", short(name));
                report.warn(*at, message, "declare it under `tools` if it is another tool".to_owned());
            }
        }
    }

    /// Agents that may do nothing, and roles nobody has.
    fn idle(&self, report: &mut Report) {
        let allows =
            |holder: &Holder| holder.rules.iter().any(|written| written.rule.effect == RuleKind::Allow);
        let allowing: HashSet<&str> =
            self.gathered.roles.iter().filter(|role| allows(role)).map(|role| role.id.as_str()).collect();
        for agent in &self.gathered.agents {
            if !allows(agent) && !agent.roles.iter().any(|(role, _)| allowing.contains(role.as_str())) {
                let message = format!("agent `{}` has no rule that allows anything", short(&agent.id));
                report.warn(agent.at, message, "add a rule with `allow`, or remove the agent".to_owned());
            }
        }
        let used: HashSet<&str> = self
            .gathered
            .agents
            .iter()
            .flat_map(|agent| &agent.roles)
            .map(|(role, _)| role.as_str())
            .collect();
        for role in self.gathered.roles.iter().filter(|role| !used.contains(role.id.as_str())) {
            let message = format!("no agent has role `{}`", short(&role.id));
            report.warn(role.at, message, "name it under an agent's `roles`, or remove it".to_owned());
        }
    }

    fn unnamed_tools(&mut self, report: &mut Report) {
        let gathered = self.gathered;
        let holders = gathered.agents.iter().chain(&gathered.roles);
        let patterns: HashSet<&str> =
            holders.flat_map(|h| &h.rules).flat_map(|w| &w.rule.tools).map(Pattern::as_str).collect();
        let globs: Vec<Pattern> = patterns
            .iter()
            .map(|text| Pattern::new(text))
            .filter(|p| matches!(p, Pattern::Glob(_)))
            .collect();
        for (tool, at) in &gathered.tools {
            let named = patterns.contains(tool.name.as_str())
                || globs.iter().any(|glob| !self.spend(1) || glob.matches(&tool.name));
            if !named {
                let message = format!("no rule names tool `{}`, so nobody may call it", short(&tool.name));
                report.warn(*at, message, "allow it in a rule, or remove it".to_owned());
            }
        }
    }

    /// Limits on an argument that also stand before tools which do not declare it: a call without the
    /// argument cannot be counted, and is denied.
    fn missing_arguments(&mut self, report: &mut Report) {
        let gathered = self.gathered;
        let everyone: Vec<&Written> =
            gathered.agents.iter().chain(&gathered.roles).flat_map(|holder| &holder.rules).collect();
        let own = gathered
            .agents
            .iter()
            .chain(&gathered.roles)
            .map(|h| (h.rules.iter().collect::<Vec<_>>(), &h.limits));
        for (rules, limits) in own.chain(std::iter::once((everyone, &gathered.limits))) {
            for limited in limits.iter().filter(|limited| limited.limit.tools.is_empty()) {
                let Meter::Argument(path) = &limited.limit.meter else { continue };
                let Some(tool) = self.without(path, &rules) else { continue };
                let message = format!(
                    "the limit on `{}` also counts `{}`, which does not declare that argument",
                    limited.limit.meter,
                    short(&tool)
                );
                report.warn(
                    limited.at,
                    message,
                    "add `tools` to the limit; a call without the argument is denied".to_owned(),
                );
            }
        }
    }

    /// A tool that these rules allow by name and that does not declare the argument.
    fn without(&mut self, path: &[String], rules: &[&Written]) -> Option<String> {
        let gathered = self.gathered;
        self.spend(gathered.tools.len());
        let declares: HashSet<&str> = gathered
            .tools
            .iter()
            .filter(|(tool, _)| tool.roles.iter().any(|(role, _)| role == path))
            .map(|(tool, _)| tool.name.as_str())
            .collect();
        let allowed =
            rules.iter().filter(|written| written.rule.effect == RuleKind::Allow).flat_map(|w| &w.rule.tools);
        for pattern in allowed {
            if !self.spend(1) {
                return None;
            }
            if !declares.contains(pattern.as_str()) {
                return Some(pattern.as_str().to_owned());
            }
        }
        None
    }
}

const KNOWN: &str = "a tool is known when it is declared under `tools`, or named without a star in a rule";

/// True if every tool that `other` means, `pattern` means too. A star only ever matches where the other
/// has a star or text, so that the other's text can stand for all it means.
fn covers(pattern: &Pattern, other: &Pattern) -> bool {
    pattern.as_str() == other.as_str() || pattern.matches(other.as_str())
}
