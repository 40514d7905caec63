//! Why a guest ended with no answer: the guard that fired, by its name.

use wasmtime::{Error, Trap};
use wasmtime_wasi::I32Exit;

use super::{answer::Refused, facts::NotGiven, limits::Guard};

/// One line for the log. It begins with `guard` and the name of what ended the
/// guest.
pub fn describe(cause: &Error) -> String {
    if let Some(guard) = cause.downcast_ref::<Guard>() {
        return guard.to_string();
    }
    if let Some(refused) = cause.downcast_ref::<Refused>() {
        return refused.to_string();
    }
    if let Some(missing) = cause.downcast_ref::<NotGiven>() {
        return missing.to_string();
    }
    let guard = match cause.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "guard stack: the guest's calls went too deep",
        Some(Trap::CannotLeaveComponent | Trap::CannotEnterComponent) => {
            "guard reentrance: the guest called the host from within a call"
        }
        Some(_) => "guard trap: the guest trapped",
        None if cause.is::<I32Exit>() => "guard exit: the guest ended itself",
        // Handles that it does not have, text that is none, more than a call
        // may carry: it is in the cause.
        None => "guard call: the guest broke the rules of a call",
    };
    format!("{guard}: {cause:#}").escape_debug().to_string()
}
