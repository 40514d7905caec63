//! Values of `WWW-Authenticate`, written by the host from what policies say
//! (RFC 9110, 11.6.1).

use super::{super::bindings::auth, said::Mask};

/// Challenges of one policy, and parameters of one challenge.
const CHALLENGES: usize = 4;
const PARAMETERS: usize = 16;

/// Bytes of one value.
const LONGEST: usize = 4 << 10;

/// The values, or what is wrong with them.
pub fn values(challenges: &[auth::Challenge], mask: &Mask) -> Result<Vec<String>, String> {
    if challenges.len() > CHALLENGES {
        return Err(format!("guard challenge: more than {CHALLENGES} challenges"));
    }
    challenges.iter().map(|challenge| value(challenge, mask)).collect()
}

fn value(challenge: &auth::Challenge, mask: &Mask) -> Result<String, String> {
    if !is_token(&challenge.scheme) {
        return Err(format!("guard challenge: {:?} is no scheme", short(&challenge.scheme)));
    }
    if challenge.parameters.len() > PARAMETERS {
        return Err(format!("guard challenge: more than {PARAMETERS} parameters"));
    }
    // A secret may be a token, too.
    let mut text = mask.over(&challenge.scheme).into_owned();
    for (index, (name, value)) in challenge.parameters.iter().enumerate() {
        if !is_token(name) {
            return Err(format!("guard challenge: {:?} is no name of a parameter", short(name)));
        }
        let value = mask.over(value);
        if let Some(wrong) = value.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(format!("guard challenge: {wrong:?} in the value of {name}"));
        }
        text.push_str(if index == 0 { " " } else { "," });
        text.push_str(&mask.over(name));
        text.push_str("=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
        if text.len() > LONGEST {
            return Err(format!("guard challenge: more than {LONGEST} bytes"));
        }
    }
    Ok(text)
}

/// RFC 9110, 5.6.2; of a sensible length.
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: &str, parameters: &[(&str, &str)]) -> Result<String, String> {
        let parameters = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        value(&auth::Challenge { scheme: scheme.to_owned(), parameters }, &Mask::default())
    }

    #[test]
    fn values_are_quoted_and_checked() {
        assert_eq!(of("Basic", &[("realm", "Registry")]).unwrap(), "Basic realm=\"Registry\"");
        assert_eq!(of("Negotiate", &[]).unwrap(), "Negotiate");
        assert_eq!(
            of("Bearer", &[("realm", "https://a/t?x=\"y\\"), ("scope", "repository:a:pull,push")]).unwrap(),
            "Bearer realm=\"https://a/t?x=\\\"y\\\\\",scope=\"repository:a:pull,push\""
        );
        for (scheme, name, text) in [
            ("", "realm", "r"),
            ("Basic realm", "realm", "r"),
            ("Basic\r\n", "realm", "r"),
            ("Basic", "", "r"),
            ("Basic", "re alm", "r"),
            ("Basic", "realm", "r\r\nSet-Cookie: a=b"),
            ("Basic", "realm", "r\0"),
            ("Basic", "realm", "ü"),
        ] {
            assert!(of(scheme, &[(name, text)]).unwrap_err().starts_with("guard challenge: "), "{scheme}{name}{text}");
        }
        assert!(of("Basic", &[("realm", &"x".repeat(5000))]).is_err());
        assert!(of("Basic", &[("a", "b"); 17]).is_err());
        let one = auth::Challenge { scheme: "Basic".to_owned(), parameters: Vec::new() };
        assert!(values(&vec![one; 5], &Mask::default()).is_err());
    }

    #[test]
    fn no_part_of_it_tells_a_secret() {
        let parameters = vec![("hunter2".to_owned(), "it is hunter2".to_owned())];
        let challenge = auth::Challenge { scheme: "hunter2".to_owned(), parameters };
        assert_eq!(value(&challenge, &Mask::new(["hunter2"])).unwrap(), "*** ***=\"it is ***\"");
    }
}
