//! `policy test`: questions of a file, put to a policy as the host puts them.

mod cases;
mod compare;

use std::{error::Error, fmt::Write as _, path::Path};

use serde_json::{Value as Json, json};

use self::cases::{Case, Cases};
use super::{guest, map};
use crate::{
    cli::{PolicyTest, Said},
    sandbox::{Asked, Limits, Rehearsal},
};

/// What came of one case.
struct Outcome<'a> {
    case: &'a Case,
    asked: Asked,
    /// What is another than was expected; nothing where all is as it should be.
    differs: Vec<String>,
}

/// Asks all of them, in order.
pub async fn rehearse(test: &PolicyTest) -> Result<Said, Box<dyn Error>> {
    let cases = Cases::read(&test.cases)?;
    let config = guest::defaults()?;
    let limits = Limits { time: cases.time, memory: cases.memory, ..map::limits(&config) };
    let origin = guest::named(&config, &test.file)?;
    let rehearsal = tokio::task::block_in_place(|| Rehearsal::open(origin, &limits, true))?;
    let mut outcomes = Vec::new();
    for case in &cases.cases {
        let directory = test.cases.parent().unwrap_or(Path::new("."));
        let scene =
            case.scene(directory, limits.clone()).map_err(|cause| format!("the case {:?}: {cause}", case.name))?;
        let asked = rehearsal.ask(&rehearsal.stage(scene), &case.function, &case.arguments).await;
        let asked = asked.map_err(|cause| format!("{}: the case {:?}: {cause}", test.cases.display(), case.name))?;
        let mut differs = compare::compare(&case.expect, &asked.answer);
        if let (Some(most), Some(taken)) = (case.instructions, asked.instructions)
            && taken > most
        {
            differs.push(format!("it took {taken} instructions, and is to take {most} at the most"));
        }
        outcomes.push(Outcome { case, asked, differs });
    }
    let well = outcomes.iter().all(|outcome| outcome.differs.is_empty());
    let text = if test.json { format!("{:#}\n", as_json(&outcomes)) } else { as_text(&outcomes)? };
    Ok(Said { text, well })
}

fn as_text(outcomes: &[Outcome<'_>]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let wide = outcomes.iter().map(|outcome| outcome.case.name.chars().count()).max().unwrap_or(0).min(60);
    for Outcome { case, asked, differs } in outcomes {
        let mark = if differs.is_empty() { "ok  " } else { "FAIL" };
        let cost = asked.instructions.map(|count| format!("{count:>12} instructions")).unwrap_or_default();
        let millis = asked.time.as_secs_f64() * 1e3;
        writeln!(text, "{mark}  {:wide$}  {millis:>8.2} ms  {:>6} KiB{cost}", case.name, asked.memory.div_ceil(1024))?;
        if !differs.is_empty() {
            writeln!(text, "      expected  {}", case.expect)?;
            match &asked.answer {
                Ok(answer) => writeln!(text, "      answered  {answer}")?,
                Err(guard) => writeln!(text, "      it failed {guard}")?,
            }
            for line in differs {
                writeln!(text, "      {line}")?;
            }
            if let Some(said) = &asked.said {
                writeln!(text, "      it said   {}", said.escape_debug())?;
            }
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.differs.is_empty()).count();
    writeln!(text, "{} as expected, {failed} not", outcomes.len() - failed)?;
    Ok(text)
}

fn as_json(outcomes: &[Outcome<'_>]) -> Json {
    let one = |Outcome { case, asked, differs }: &Outcome<'_>| {
        json!({
            "name": case.name,
            "passed": differs.is_empty(),
            "expected": case.expect,
            "answered": asked.answer.as_ref().ok(),
            "failed": asked.answer.as_ref().err(),
            "differs": differs,
            "milliseconds": asked.time.as_secs_f64() * 1e3,
            "instructions": asked.instructions,
            "memory": asked.memory,
        })
    };
    outcomes.iter().map(one).collect()
}
