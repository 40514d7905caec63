//! The child's side: bounded first, then fed.

use std::io::{Read, Write};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit};

use super::{super::module, Purpose, child};

/// Compiles what comes by standard input, and writes it to standard output.
///
/// # Errors
/// One sentence: that it cannot be bounded, or what is wrong with the module.
pub fn apart(time: u64, memory: u64, count: bool) -> Result<(), String> {
    bound(time, memory)?;
    let failed = |cause: std::io::Error| cause.to_string();
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(child::LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    let purpose = if count { Purpose::Count } else { Purpose::Serve };
    let code = module::compile(&bytes, purpose)?;
    let mut out = std::io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(failed)
}

/// Lowers this process's own limits: to no more than these, and than it has.
fn bound(time: u64, memory: u64) -> Result<(), String> {
    // A host that ends takes its compilers with it.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // Requests are served meanwhile.
    let _ = nice(10);
    // The limit of the clock is the parent's.
    let cpu = time.saturating_mul(u64::try_from(child::THREADS).unwrap_or(1)).max(1);
    for (resource, most) in [
        (Resource::As, memory),
        (Resource::Cpu, cpu),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nofile, 64),
    ] {
        let Rlimit { current, maximum } = getrlimit(resource);
        let lower = |known: Option<u64>| Some(known.map_or(most, |known| known.min(most)));
        let limit = Rlimit { current: lower(current), maximum: lower(maximum) };
        setrlimit(resource, limit).map_err(|errno| format!("the limits of the compiler cannot be set: {errno}"))?;
    }
    Ok(())
}
