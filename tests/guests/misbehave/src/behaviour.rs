//! What the module can be told to do wrong. The tests take this file too: they
//! do not build unless each of these has a row that says how it ends.

macro_rules! behaviours {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// What it is called in paths and in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

behaviours! {
    /// What it does in the place of an answer, when its path is asked for.
    Behaviour:

    /// Computes for ever.
    Loop = "loop",
    /// Asks the host for something cheap, for ever.
    Calls = "calls",
    /// Asks for the time, for ever.
    Clocks = "clocks",
    /// Asks for random numbers, for ever.
    Randoms = "randoms",
    /// Writes lines, for ever.
    Lines = "lines",
    /// Looks at a big directory, for ever.
    Looks = "looks",
    /// Sleeps for an hour.
    Sleep = "sleep",
    /// Sleeps a little, for ever.
    Naps = "naps",
    /// Computes for ever where the host asks it for room for a result.
    ReallocLoops = "realloc-loops",
    /// Calls the host where the host asks it for room for a result.
    ReallocCalls = "realloc-calls",
    /// Traps where the host asks it for room for a result.
    ReallocTraps = "realloc-traps",
    /// Names room beyond its memory.
    ReallocBeyond = "realloc-beyond",
    /// Grows its memory bit by bit.
    Memory = "memory",
    /// Grows its memory to all that 32 bits can name, at once.
    Grow = "grow",
    /// Keeps many small results of the host's.
    Hoard = "hoard",
    /// Reads much, and keeps nothing.
    Bytes = "bytes",
    /// Calls itself without end.
    Recurse = "recurse",
    /// Wants a terabyte of random numbers.
    Random = "random",
    /// Waits for hundreds of things, and drops none.
    Pollables = "pollables",
    /// Begins uploads, and drops none.
    Uploads = "uploads",
    /// Uses a handle that it was never given.
    MadeUp = "made-up",
    /// Uses a handle that it dropped.
    Dropped = "dropped",
    /// Drops a handle twice.
    DropsTwice = "drops-twice",
    /// Drops no handle and answers.
    Leak = "leak",
    /// Panics.
    Trap = "trap",
    /// Ends its own process, as it thinks.
    Exit = "exit",
    /// Writes ten thousand lines, with control characters in them.
    Log = "log",
    /// Writes a line of 32 MiB.
    LongLine = "long-line",

    /// A status that is none.
    Status99 = "status-99",
    /// A status that is none.
    Status1000 = "status-1000",
    /// A status that is not the last word.
    Status103 = "status-103",
    /// A header field's value with a line break.
    Split = "split",
    /// A header field's value with a NUL.
    Nul = "nul",
    /// A header field's value that is not UTF-8.
    NotText = "not-text",
    /// A header field's name with a line break.
    FieldName = "field-name",
    /// Thousands of header fields.
    Fields = "fields",
    /// One header field of 17 KiB.
    LongField = "long-field",
    /// Frames the answer itself.
    ContentLength = "content-length",
    /// Frames the answer itself.
    TransferEncoding = "transfer-encoding",
    /// Speaks for the connection.
    Connection = "connection",
    /// Speaks for the connection.
    KeepAlive = "keep-alive",
    /// Speaks for the connection.
    Upgrade = "upgrade",
    /// Announces fields after the body.
    Trailer = "trailer",
    /// Speaks for the connection.
    Te = "te",
    /// Tells the time.
    Date = "date",
    /// A body where there is none.
    Body204 = "body-204",
    /// A body where there is none.
    Body304 = "body-304",
    /// A body of 9 MiB.
    Large = "large",
    /// A body of 20 MiB.
    Huge = "huge",
    /// A hundred notes.
    Notes = "notes",
    /// A part of an object that goes on beyond its end.
    Beyond = "beyond",
    /// A part of an object that ends beyond all numbers.
    Overflow = "overflow",
    /// An object that is not there.
    Absent = "absent",
    /// An object that it removed a moment ago.
    Removed = "removed",
    /// A pipe that somebody planted.
    Pipe = "pipe",
    /// A file outside of its directory.
    Outside = "outside",

    /// Keys that lead out of its directory, and the host's own.
    Escape = "escape",
    /// Keys that look as if they led out of its directory.
    LookAlike = "look-alike",
    /// A key whose bytes are no text.
    Overlong = "overlong",
    /// A symbolic link that somebody planted.
    Link = "link",
    /// A pipe that somebody planted.
    Fifo = "fifo",
    /// A terabyte of nothing, at once.
    ReadAll = "read-all",
    /// Pages of a directory that are larger than any.
    List = "list",
    /// The body a second time.
    Twice = "twice",
    /// An object of another digest than it says.
    Forge = "forge",
    /// Other bytes at the key of an upload whose digest was taken.
    Swap = "swap",
    /// Bytes from an offset where the upload is not.
    Offset = "offset",
    /// An upload after it was finished.
    Finished = "finished",
    /// Uploads whose keys it guesses.
    Guess = "guess",
    /// A commit of more than there may be in one.
    Commit = "commit",
    /// Credentials of the request.
    Credentials = "credentials",
    /// Secrets of the configuration.
    Settings = "settings",
    /// The environment, arguments and files of the process.
    Process = "process",
    /// A task's set of names, with no task.
    Marks = "marks",
}

behaviours! {
    /// What it does outside of requests, where `sandbox.settings.misbehave`
    /// names it.
    Elsewhere:

    /// Panics when it is asked what the host is to say.
    FailureTraps = "failure-traps",
    /// Computes for ever when it is asked what the host is to say.
    FailureLoops = "failure-loops",
    /// Sleeps when it is asked what the host is to say.
    FailureSleeps = "failure-sleeps",
    /// Has the host say 65 KiB.
    FailureHuge = "failure-huge",
    /// Frames what the host is to say.
    FailureFraming = "failure-framing",
    /// Panics in a task.
    TaskTraps = "task-traps",
    /// Computes for ever in a task.
    TaskLoops = "task-loops",
    /// Sleeps in a task.
    TaskSleeps = "task-sleeps",
    /// Does not come on with its task.
    TaskStands = "task-stands",
    /// Has the host log thousands of lines of a task.
    TaskFloods = "task-floods",
}
