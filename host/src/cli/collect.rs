//! `garbage-collect`: distribution's flags, and a grace time.

use std::time::Duration;

use clap::Args;

use super::{
    ambient::Ambient,
    args::File,
    plan::{self, PlanError},
};
use crate::config::{Config, Warning};

/// How to collect.
#[derive(Debug, Clone, Default, Args)]
pub struct GarbageCollect {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: File,
    /// Only say what would be removed.
    #[arg(short, long)]
    pub dry_run: bool,
    /// Remove manifests too that no tag leads to.
    ///
    /// What an index is made of stays with it, and so do the signatures and
    /// other referrers of what stays.
    #[arg(short = 'm', long)]
    pub delete_untagged: bool,
    /// Say nothing.
    #[arg(short, long)]
    pub quiet: bool,
    /// Spare what is younger: `90s`, `30m`, `2h`, `1h30m`, or `0`.
    ///
    /// Somebody may be pushing just now.
    #[arg(long, value_name = "TIME", default_value = "1h", overrides_with = "grace", value_parser = time)]
    pub grace: Duration,
}

/// A collection, ready to run.
pub struct Collect {
    /// The effective configuration.
    pub config: Config,
    /// For standard error.
    pub warnings: Vec<Warning>,
    /// What is younger stays.
    pub grace: Duration,
    /// Only say what would go.
    pub dry_run: bool,
    /// Manifests go too that no tag leads to.
    pub delete_untagged: bool,
    /// Say nothing.
    pub quiet: bool,
}

/// Reads the configuration.
pub(super) fn collect(args: &GarbageCollect, ambient: &Ambient) -> Result<Collect, PlanError> {
    let (config, warnings) = plan::storage(&args.file, ambient)?;
    let GarbageCollect { dry_run, delete_untagged, quiet, grace, .. } = *args;
    Ok(Collect { config, warnings, grace, dry_run, delete_untagged, quiet })
}

/// A time as Go writes it, in whole units from seconds to hours.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time such as 90s, 30m or 1h30m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut seconds, mut number) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return Err(wrong()),
        };
        let value: u64 = number.parse().map_err(|_| wrong())?;
        seconds = value.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        number.clear();
    }
    if number.is_empty() && !text.is_empty() { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2h0m1s", 7201)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "h", "1d", "1h30", "-1h", "1.5h", "99999999999999999999h", "6000000000000000h"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
