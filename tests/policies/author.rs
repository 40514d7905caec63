//! What the author of a policy has: a look at a module, and questions to it.

use std::{fs, path::Path};

use serde_json::{Value, json};
use skerry_tests::{
    binary::{guest, workspace},
    command::called,
};

use super::host::{htpasswd, passwords, rules};

fn test(module: &str, cases: &Path) -> (i32, String) {
    let ended = called("skerry", &["policy", "test", module, &cases.display().to_string()]);
    (ended.code, ended.out + &ended.err)
}

#[test]
fn the_example_of_the_help_is_one() {
    let example = workspace().join("host/src/cli/cases.yaml");
    let (code, said) = test("immutable-tags", &example);
    assert_eq!(code, 0, "{said}");
    assert!(said.ends_with("5 as expected, 0 not\n"), "{said}");
    let help = called("skerry", &["policy", "test", "--help"]).out;
    for line in fs::read_to_string(example).unwrap().lines() {
        assert!(help.contains(line), "{line} in {help}");
    }
}

#[test]
fn every_function_of_both_worlds_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let cases = directory.path().join("cases.yaml");
    passwords(directory.path());
    let module = rules().display().to_string();
    fs::write(
        &cases,
        r#"
directory: granted
secrets: {key: hunter2}
cases:
- {name: works, check: , expect: {ok: []}}
- {name: shows nothing, authenticate: , expect: pass}
- name: a password that is right
  settings: {lifetime: 5}
  authenticate: {client: {credential: {basic: [ann, correct]}, address: 10.0.0.1}}
  expect: {known: {principal: {subject: ann, groups: []}, lifetime: 5}}
- {name: a wrong one, authenticate: {client: {credential: {basic: [ann, wrong]}}}, expect: challenge}
- {name: no file, directory: , files: {other: x}, authenticate: {client: {credential: {basic: [ann, correct]}}}, expect: challenge}
- {name: a file of its own, directory: , files: {passwords: "mine\n"}, authenticate: {client: {credential: {basic: [ann, mine]}}}, expect: known}
- {name: no name, authenticate: {client: {credential: {basic: [nameless, correct]}}}, expect: {fails: guard principal}}
- {name: loops, authorize: {principal: {subject: loop}}, expect: {fails: guard time}}
- {name: owner, authorize: {principal: {subject: ann}, accesses: [{repository: ann/app, action: push}]}, expect: allow}
- {name: another, authorize: {principal: {subject: ann}, accesses: [{repository: bob/app}]}, expect: {outcome: {deny: ann is not bob}, lifetime: }}
- {name: challenges, challenges: {insufficient: true}, expect: [{scheme: Basic, parameters: [[realm, 'the "realm"'], [error, insufficient_scope]]}]}
- {name: split, challenges: {accesses: [{repository: split-challenge}]}, expect: {fails: guard challenge}}
"#,
    )
    .unwrap();
    let (code, said) = test(&module, &cases);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("12 as expected, 0 not") && said.contains(" instructions") && said.contains(" ms "),
        "{said}"
    );
}

/// By what it computes, as no clock can tell on a busy machine.
#[test]
fn every_failed_password_pays_bcrypt() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users");
    htpasswd(&users, &[("ann", "correct")]);
    let users = fs::read_to_string(users).unwrap() + "old:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n";
    let long = "u".repeat(300);
    let shown = [
        ("ann", "wrong"),
        ("mallory", "wrong"),
        ("mallory", ""),
        ("old", "wrong"),
        ("", "wrong"),
        (&long, "wrong"),
        ("a\u{7}b", "correct"),
    ];
    let ask = |credential: Value| json!({"name": "asked", "authenticate": {"client": {"credential": credential}}, "expect": "challenge"});
    let mut asked: Vec<_> = shown.iter().map(|(user, password)| ask(json!({"basic": [user, password]}))).collect();
    asked.push(json!({"name": "nothing", "authenticate": null, "expect": "challenge"}));
    let cases = json!({"settings": {"realm": "r", "file": "users"}, "files": {"users": users}, "cases": asked});
    let path = directory.path().join("cases.yaml");
    // JSON is YAML.
    fs::write(&path, cases.to_string()).unwrap();
    // Instructions are counted in what is compiled for it, not in what is
    // built in.
    let module = guest("skerry-policy-htpasswd").display().to_string();
    let ended = called("skerry", &["policy", "test", "--json", &module, &path.display().to_string()]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let answers: Value = serde_json::from_str(&ended.out).unwrap();
    let mut taken: Vec<_> =
        answers.as_array().unwrap().iter().map(|one| one["instructions"].as_u64().unwrap()).collect();
    let nothing = taken.pop().unwrap();
    let (least, most) = (*taken.iter().min().unwrap(), *taken.iter().max().unwrap());
    assert_eq!(taken.len(), shown.len());
    assert!(most - least < most / 50 && nothing < least / 10, "{taken:?}, with no password {nothing}");
}

#[test]
fn what_differs_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let cases = directory.path().join("cases.yaml");
    let event = "{repository: app, action: {tag-move: {tag: v1, old: \"sha256:aa\", new: \"sha256:bb\"}}}";
    fs::write(
        &cases,
        format!(
            "cases:\n- {{name: moves, admit: {{event: {event}}}, expect: allow}}\n\
             - {{name: code, admit: {{event: {event}}}, expect: {{deny: {{code: TAG_INVALID}}}}}}\n\
             - {{name: stays, admit: {{event: {event}}}, expect: deny}}\n"
        ),
    )
    .unwrap();
    let (code, said) = test("immutable-tags", &cases);
    assert_eq!(code, 1, "{said}");
    for part in [
        "FAIL  moves",
        "expected  \"allow\"",
        "answered  {\"deny\":{\"code\":\"DENIED\"",
        "FAIL  code",
        "deny.code was to be \"TAG_INVALID\", and is \"DENIED\"",
        "ok    stays",
        "1 as expected, 2 not",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let json = called("skerry", &["policy", "test", "--json", "immutable-tags", &cases.display().to_string()]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json[0]["passed"], &json[2]["passed"], json.as_array().unwrap().len()),
        (&false.into(), &true.into(), 3)
    );

    for (text, says) in [
        (
            "cases: [{admit: {event: {repo: a}}, expect: allow}]",
            "there is no `admit.event.repo`: `admit.event` has `repository`",
        ),
        (
            "cases: [{admit: {event: {action: {fly: 1}}}, expect: allow}]",
            "`admit.event.action` is to be one of `manifest-push`",
        ),
        (
            "cases: [{admit: {event: {repository: 1}}, expect: allow}]",
            "`admit.event.repository` is to be a text: put it in quotes",
        ),
        ("cases: [{authorize: , expect: allow}]", "there is no function `authorize`: this policy has "),
        ("cases: [{admit: [", "cases.yaml"),
    ] {
        fs::write(&cases, text).unwrap();
        let (code, said) = test("immutable-tags", &cases);
        assert!(code == 1 && said.contains(says), "{text}: {said}");
    }
}

#[test]
fn a_look_at_a_policy() {
    let directory = tempfile::tempdir().unwrap();
    let granted = passwords(directory.path());
    let module = rules().display().to_string();
    let ended = called("skerry", &["guest", "check", &module]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "skerry:registry/auth-policy@0.1.0, ",
        "exports   skerry:registry/auth@0.1.0",
        "imports   skerry:registry/secrets@0.1.0: Secrets that the operator granted by name",
        "clocks, random numbers",
        "instance  ",
        "granted   nothing: no configuration was named",
        "check     it can work",
    ] {
        assert!(ended.out.contains(part), "{part} in {}", ended.out);
    }

    let config = directory.path().join("config.yml");
    let text = |module: &str, settings: &str| {
        format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: /nowhere}}}}\npolicies:\n\
             - {{name: mine, module: {module}, directory: {}, secrets: {{key: hunter2}}, settings: {settings}, limits: {{time: 2s}}}}\n",
            granted.display()
        )
    };
    let check = |module: &str, settings: &str| {
        fs::write(&config, text(module, settings)).unwrap();
        called("skerry", &["guest", "check", module, "--config", &config.display().to_string()])
    };
    let ended = check(&module, "{lifetime: 5}");
    assert_eq!(ended.code, 0, "{ended:?}");
    let granted =
        format!("as the policy mine: settings {{\"lifetime\":5}}; the files below {}, to read", granted.display());
    for part in [granted.as_str(), "the secrets key; 2s and 64 MiB for one question; 503 where it fails"] {
        assert!(ended.out.contains(part), "{part} in {}", ended.out);
    }
    assert!(!ended.out.contains("hunter2"), "{}", ended.out);

    // One that cannot work with what it has.
    let ended = check("immutable-tags", "{tags: []}");
    assert!(
        ended.code == 1 && ended.out.contains("check     it cannot work: settings: `tags` is an empty list"),
        "{ended:?}"
    );
    let ended = called("skerry", &["guest", "check", "/no/such.wasm"]);
    assert!(ended.code == 1 && ended.err.contains("/no/such.wasm cannot be read"), "{ended:?}");
}
