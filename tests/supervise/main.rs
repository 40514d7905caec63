//! Runs a program and stands at its boundary to the kernel: some of its system
//! calls on one directory fail, or are written down, as tests tell it.
//!
//! `supervise VOLUME CONTROL [RECORD] -- PROGRAM [ARGUMENT…]`: `CONTROL` is a
//! socket that is made for orders (`skerry_tests::supervisor::Order`), `RECORD`
//! a file that is made for events. It ends as the program ends, which does not
//! outlive it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(target_arch = "x86_64")]
mod calls;
#[cfg(target_arch = "x86_64")]
mod control;
#[cfg(target_arch = "x86_64")]
mod faults;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod ptrace;
#[cfg(target_arch = "x86_64")]
mod record;
#[cfg(target_arch = "x86_64")]
mod supervisor;

#[cfg(target_arch = "x86_64")]
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let split = words.iter().position(|word| word == "--").expect("a program after `--`");
    let (own, program) = (&words[..split], &words[split + 1..]);
    let plan = control::listen(own[1].as_ref());
    let record = own.get(2).map(|file| record::Record::new(own[0].as_ref(), file.as_ref()));
    let child = ptrace::spawn(&program[0], &program[1..]).unwrap_or_else(|error| panic!("{}: {error}", program[0]));
    std::process::exit(supervisor::Supervisor::new(child, own[0].as_ref(), plan, record).run());
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {
    panic!("the registers of this processor are not known");
}
