//! `policy`: rules about what may be done.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What to do with a policy.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Ask a policy questions, and compare its answers with what is expected.
    ///
    /// For each it shows the time, and the WebAssembly instructions where the
    /// policy is not compiled yet. The exit status is 1 if an answer is another
    /// one.
    #[command(after_long_help = CASES)]
    Test(PolicyTest),
}

/// What to ask, and whom.
#[derive(Debug, Clone, Default, Args)]
pub struct PolicyTest {
    /// A WebAssembly component, or the name of a policy that is built in.
    #[arg(value_name = "MODULE.wasm")]
    pub file: PathBuf,
    /// Questions, and the answers that are expected.
    #[arg(value_name = "CASES.yaml")]
    pub cases: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// The form of cases, by examples that a test runs.
const CASES: &str = concat!(
    "Cases, as for the policy `immutable-tags`:\n\n",
    include_str!("cases.yaml"),
    "\nA question is a function of the policy's world with its arguments by name, as in \
wit/: records are sections, variants `{case: payload}` or the case alone. What is left out \
is empty: no text, 0, no items, none, the first case. `content: {file: PATH}` has the bytes of \
a file; a relative path begins where the cases are. Of an answer, only what is expected is \
compared; `{contains: TEXT}` stands for any text with that in it, and `{fails: TEXT}` for a \
policy that is ended by a guard.\n\n\
There is no registry behind it: what a policy asks of one (`wit/facts.wit`), the cases say. As \
for `quota`:\n\n",
    include_str!("cases.facts.yaml"),
    "\nA usage that a policy asks for and no case gives ends it, and says so; what else is not \
given is not there. A digest in full has to be the content's; one that is made up, as \
`sha256:aa`, stands for itself. In `check` and `retain` there is no event, and so no facts.\n\n\
Which tags go, as for `retention`:\n\n",
    include_str!("cases.retention.yaml"),
);
