//! Which variables a list sets: inside of a loop, the next turn sees what the last one left.

use super::tree::{Command, Item, Script, What};

/// Calls `found` with every name that is set somewhere in the list. Functions that it calls are not looked into.
pub fn names(script: &Script, found: &mut dyn FnMut(&str)) {
    for item in &script.items {
        in_item(item, found);
    }
}

fn in_item(item: &Item, found: &mut dyn FnMut(&str)) {
    for pipeline in std::iter::once(&item.first).chain(&item.rest) {
        for command in &pipeline.commands {
            in_command(command, found);
        }
    }
}

fn in_command(command: &Command, found: &mut dyn FnMut(&str)) {
    match &command.what {
        What::Simple { assigns, words } => {
            assigns.iter().for_each(|it| found(&it.name));
            for word in words.iter().skip(1) {
                // `read x`, `declare x=..`, `export x`: any plain word may be a name.
                if let Some(text) = word.bare() {
                    found(text.split('=').next().unwrap_or_default());
                }
            }
        }
        What::Group(body) => names(body, found),
        What::If { arms, otherwise } => {
            for (test, body) in arms {
                names(test, found);
                names(body, found);
            }
            otherwise.iter().for_each(|it| names(it, found));
        }
        What::While { test, body } => {
            names(test, found);
            names(body, found);
        }
        What::For { name, body, .. } => {
            found(name);
            names(body, found);
        }
        What::Count { body, .. } => names(body, found),
        What::Case { arms, .. } => arms.iter().for_each(|(_, body)| names(body, found)),
        What::Subshell(_) | What::Arith(_) | What::Test(_) | What::Function { .. } | What::Coproc(_) => {}
    }
}
