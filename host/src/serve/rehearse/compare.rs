//! What was expected, beside what was answered: only what is expected is
//! looked at.

use serde_json::{Map, Value as Json};

/// What differs, one line each; nothing where all is as it should be.
pub fn compare(expected: &Json, answered: &Result<Json, String>) -> Vec<String> {
    let fails = expected.get("fails");
    let mut differs = Vec::new();
    match (fails, answered) {
        (Some(part), Err(guard)) => match part.as_str() {
            Some(part) if guard.contains(part) => {}
            _ => differs.push(format!("it was to fail by {part}")),
        },
        (Some(_), Ok(_)) => differs.push("it was to fail, and answered".to_owned()),
        (None, Err(_)) => differs.push("it was to answer, and failed".to_owned()),
        (None, Ok(answer)) => value(expected, decision(expected, answer), "", &mut differs),
    }
    differs
}

/// Of a decision, its outcome is meant where nothing else is said.
fn decision<'a>(expected: &Json, answer: &'a Json) -> &'a Json {
    let says = |name: &str| expected.get(name).is_some();
    match answer.get("outcome") {
        Some(outcome) if !says("outcome") && !says("lifetime") => outcome,
        _ => answer,
    }
}

fn value(expected: &Json, answer: &Json, at: &str, differs: &mut Vec<String>) {
    match (expected, answer) {
        (Json::Object(wanted), _) if contains(wanted).is_some() => {
            let part = contains(wanted).unwrap_or_default();
            if !answer.as_str().is_some_and(|text| text.contains(part)) {
                differs.push(differ(at, &format!("a text that contains {part:?}"), answer));
            }
        }
        (Json::Object(wanted), Json::Object(has)) => {
            for (name, wanted) in wanted {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                match has.get(name) {
                    Some(has) => value(wanted, has, &at, differs),
                    None => differs.push(differ(&at, &wanted.to_string(), &Json::Null)),
                }
            }
        }
        // A case alone stands for the case with any payload.
        (Json::String(case), Json::Object(has)) if has.len() == 1 && has.contains_key(case) => {}
        (Json::Array(wanted), Json::Array(has)) if wanted.len() == has.len() => {
            for (n, (wanted, has)) in wanted.iter().zip(has).enumerate() {
                value(wanted, has, &format!("{at}[{n}]"), differs);
            }
        }
        (Json::Number(wanted), Json::Number(has)) if wanted.as_f64() == has.as_f64() => {}
        _ if expected == answer => {}
        _ => differs.push(differ(at, &expected.to_string(), answer)),
    }
}

fn contains(wanted: &Map<String, Json>) -> Option<&str> {
    wanted.get("contains").filter(|_| wanted.len() == 1).and_then(Json::as_str)
}

fn differ(at: &str, expected: &str, answer: &Json) -> String {
    let at = if at.is_empty() { "the answer" } else { at };
    format!("{at} was to be {expected}, and is {answer}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_as_expected() {
        let deny = json!({"deny": {"code": "DENIED", "status": 0, "message": "the tag v1 stays"}});
        let decision = json!({"outcome": "allow", "lifetime": 5});
        for (expected, answer) in [
            (json!("deny"), &deny),
            (json!({"deny": {"code": "DENIED"}}), &deny),
            (json!({"deny": {"message": {"contains": "v1"}}}), &deny),
            (json!("allow"), &json!({"allow": []})),
            (json!("allow"), &json!("allow")),
            (json!("allow"), &decision),
            (json!({"outcome": "allow", "lifetime": 5}), &decision),
            (json!({"lifetime": 5}), &decision),
            (json!(["a", {"contains": "b"}]), &json!(["a", "abc"])),
            (json!(null), &json!(null)),
        ] {
            assert_eq!(compare(&expected, &Ok(answer.clone())), Vec::<String>::new(), "{expected}");
        }
        assert!(compare(&json!({"fails": "guard time"}), &Err("guard time: too long".into())).is_empty());
    }

    #[test]
    fn what_differs_is_said() {
        let deny = json!({"deny": {"code": "DENIED", "status": 0, "message": "the tag v1 stays"}});
        for (expected, says) in [
            (json!("allow"), r#"the answer was to be "allow", and is {"deny""#),
            (json!({"allow": []}), "allow was to be [], and is null"),
            (json!({"deny": {"code": "OTHER"}}), r#"deny.code was to be "OTHER", and is "DENIED""#),
            (json!({"deny": {"message": {"contains": "v2"}}}), r#"deny.message was to be a text that contains "v2""#),
            (json!({"fails": "guard"}), "it was to fail, and answered"),
        ] {
            let said = compare(&expected, &Ok(deny.clone()));
            assert!(said.len() == 1 && said[0].starts_with(says), "{said:?}");
        }
        assert_eq!(compare(&json!("allow"), &Err("guard time".into())), ["it was to answer, and failed"]);
        assert_eq!(compare(&json!({"fails": "guard x"}), &Err("guard y".into())), [r#"it was to fail by "guard x""#]);
    }
}
