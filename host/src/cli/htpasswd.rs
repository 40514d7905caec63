//! `htpasswd`: one line for a password file, as far as registries take it.

use std::io::{BufRead, Read};

use bcrypt::{BcryptError, Version};
use clap::Args;

/// What bcrypt looks at.
const LONGEST: usize = 72;
/// Bytes read from standard input.
const LINE: u64 = 4 * 1024;

/// A line of a password file.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "For example: `htpasswd -Bbn USER PASSWORD >> /auth/htpasswd`.")]
pub struct Htpasswd {
    /// Hash with bcrypt: always so, as registries take nothing else.
    #[arg(short = 'B')]
    pub bcrypt: bool,
    /// The password is on the command line.
    #[arg(short = 'b', conflicts_with = "input")]
    pub batch: bool,
    /// Write to standard output.
    #[arg(short = 'n')]
    pub print: bool,
    /// The password is the first line of standard input.
    #[arg(short = 'i')]
    pub input: bool,
    /// The work: each step doubles it.
    #[arg(short = 'C', value_name = "COST", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=17))]
    pub cost: u32,
    /// Not taken by registries: MD5, SHA, crypt, plain text.
    #[arg(short = 'm', short_aliases = ['d', 's', 'p', '2', '5'], hide = true)]
    pub other: bool,
    /// Files are the shell's work here: create, delete, verify.
    #[arg(short = 'c', short_aliases = ['D', 'v'], hide = true)]
    pub file: bool,
    /// USER, and with `-b` PASSWORD.
    #[arg(value_name = "USER [PASSWORD]", required = true)]
    pub words: Vec<String>,
}

impl Htpasswd {
    /// The line, or a sentence that says what is wrong.
    pub fn line(&self, input: impl Read) -> Result<String, String> {
        if self.other {
            return Err("registries take bcrypt only: leave -m, -d, -s, -p, -2 and -5 out, or use -B".into());
        }
        if self.file || !self.print {
            return Err("files are not changed here: use -n, and send the line to one with `>> FILE`".into());
        }
        let (user, password) = match (self.words.as_slice(), self.batch) {
            ([user, password], true) => (user, password.clone()),
            ([user], false) if self.input => (user, read(input)?),
            ([_], false) => {
                return Err("no password: give it with -b USER PASSWORD, or to standard input with -i".into());
            }
            ([_], true) => return Err("-b: the password is to follow the user".into()),
            ([_, _], false) => return Err("a password on the command line needs -b".into()),
            _ => return Err("too many words: with -n there is no file, only USER and, with -b, PASSWORD".into()),
        };
        if user.is_empty() || user.len() > 255 || user.contains(|c: char| c == ':' || c.is_control()) {
            return Err("the user is to be 1 to 255 bytes, without a colon and control characters".into());
        }
        if password.is_empty() {
            return Err("the password is empty: with it anybody comes in".into());
        }
        // One byte of bcrypt's 72 is the zero that ends the password.
        let hash = bcrypt::non_truncating_hash_with_result(&password, self.cost).map_err(|error| match error {
            BcryptError::Truncation(_) => {
                format!(
                    "the password has {} bytes, and bcrypt looks at {} only: choose a shorter one",
                    password.len(),
                    LONGEST - 1
                )
            }
            other => format!("the password cannot be hashed: {other}"),
        })?;
        Ok(format!("{user}:{}\n", hash.format_for_version(Version::TwoY)))
    }
}

fn read(input: impl Read) -> Result<String, String> {
    let mut line = Vec::new();
    let mut input = std::io::BufReader::new(input.take(LINE));
    input.read_until(b'\n', &mut line).map_err(|cause| format!("standard input cannot be read: {cause}"))?;
    let text = String::from_utf8(line).map_err(|_| "the password is to be UTF-8 text")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    fn line(arguments: &str, input: &str) -> Result<String, String> {
        let words = ["skerry", "htpasswd"].into_iter().chain(arguments.split(' '));
        match Cli::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Htpasswd(args) => args.line(input.as_bytes()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines() {
        for (arguments, input, cost) in
            [("-Bbn ann secret", "", 10), ("-nbB -C 4 ann secret", "", 4), ("-niC 5 ann", "secret\r\nmore\n", 5)]
        {
            let line = line(arguments, input).unwrap();
            let hash = line.strip_prefix("ann:").and_then(|rest| rest.strip_suffix('\n')).unwrap();
            assert!(hash.starts_with(&format!("$2y${cost:02}$")) && hash.len() == 60, "{line}");
            assert!(bcrypt::verify("secret", hash).unwrap() && !bcrypt::verify("other", hash).unwrap());
        }
        assert_ne!(line("-Bbn -C4 a b", ""), line("-Bbn -C4 a b", ""));
    }

    #[test]
    fn refusals() {
        let long = "x".repeat(72);
        for (arguments, says) in [
            ("-mbn a b", "bcrypt only"),
            ("-sbn a b", "bcrypt only"),
            ("-Bbc file a b", "not changed here"),
            ("-Bb file a b", "not changed here"),
            ("-Bn a", "no password"),
            ("-Bn a b", "needs -b"),
            ("-Bbn a", "is to follow"),
            ("-Bbn a b c", "too many words"),
            ("-Bni a", "is empty"),
            ("-Bbn a:b c", "without a colon"),
            ("-BbnC 3 a b", "4..=17"),
            ("-BbnC 31 a b", "4..=17"),
            ("-Bbni a b", "cannot be used with"),
            (&format!("-BbnC4 a {long}"), "choose a shorter one"),
        ] {
            let said = line(arguments, "").unwrap_err();
            assert!(said.contains(says), "{arguments}: {said}");
        }
        assert!(line(&format!("-BbnC4 a {}", "x".repeat(71)), "").is_ok());
    }
}
