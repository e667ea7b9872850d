//! What is known of where an action would run: data, handed in, so that inspection stays pure.

/// Where a tool runs, as far as the gate knows it. What is absent is unknown, and counts against whatever
/// depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The working directory, absolute.
    pub cwd: Option<String>,
    /// The home folder of whoever the tool runs as, absolute.
    pub home: Option<String>,
    /// True where file names that differ only in case are the same file.
    pub ignores_case: bool,
}
