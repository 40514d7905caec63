//! What the author of a policy has: a look at a module, and questions to it.

use std::{fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use skerry_tests::{
    binary::{guest, workspace},
    command::called,
    sha256,
};

use super::{
    host::{curious, gate, htpasswd, passwords, rules, sweeper},
    modules::stranger,
    signatures::Fixture,
};

fn test(module: &str, cases: &Path) -> (i32, String) {
    let ended = called("skerry", &["policy", "test", module, &cases.display().to_string()]);
    (ended.code, ended.out + &ended.err)
}

#[test]
fn the_examples_of_the_help_are_some() {
    let help = called("skerry", &["policy", "test", "--help"]).out;
    for (module, file, count) in [
        ("immutable-tags", "cases.yaml", 5),
        ("quota", "cases.facts.yaml", 4),
        ("retention", "cases.retention.yaml", 2),
    ] {
        let example = workspace().join("host/src/cli").join(file);
        let (code, said) = test(module, &example);
        assert_eq!(code, 0, "{said}");
        assert!(said.ends_with(&format!("{count} as expected, 0 not\n")), "{said}");
        for line in fs::read_to_string(example).unwrap().lines() {
            assert!(help.contains(line), "{line} in {help}");
        }
    }
}

/// Whatever a policy may ask of a registry.
#[test]
fn a_policy_is_told_what_its_cases_say() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("seal.json"), r#"{"mediaType": "x/seal"}"#).unwrap();
    fs::write(directory.path().join("bytes"), [0xff, 0, 0xfe]).unwrap();
    let seal = sha256(r#"{"mediaType": "x/seal"}"#);
    let facts = format!(
        r#"
facts:
  usage: {{"": {{bytes: 9, repositories: 3}}, team: {{bytes: 5, blobs: 1, manifests: 2, tags: 3, repositories: 1}}}}
  tags: {{v1: "sha256:aa", v3: "sha256:cc"}}
  referrers: {{"sha256:aa": [{{digest: "{seal}", artifact-type: x/seal, size: 7, annotations: {{by: ann}}}}, {{digest: "sha256:bb"}}]}}
  manifests: {{v2: '{{}}', "{seal}": {{content: {{file: seal.json}}}}, "sha256:aa": {{media-type: x/y, content: text}}}}
  blobs: {{"sha256:cc": a text, "sha256:dd": {{content: {{file: bytes}}}}}}
cases:
"#
    );
    let empty = sha256("{}");
    let mut cases = facts;
    for (question, answer) in [
        ("usage ".to_owned(), "bytes=9 blobs=0 manifests=0 tags=0 repositories=3".to_owned()),
        ("usage team".to_owned(), "bytes=5 blobs=1 manifests=2 tags=3 repositories=1".to_owned()),
        ("adds".to_owned(), "bytes=40 blobs=0 manifests=1 tags=0 repositories=0".to_owned()),
        ("tags  2".to_owned(), format!("v1=sha256:aa v2={empty} more=true")),
        ("tags v2 9".to_owned(), "v3=sha256:cc more=false".to_owned()),
        ("referrers sha256:aa x/seal".to_owned(), format!("1: {seal} x/seal  7 [(\"by\", \"ann\")]")),
        (format!("referrers {seal} "), "0: ".to_owned()),
        ("manifest v2".to_owned(), format!("{empty}  2")),
        (format!("manifest {seal}"), format!("{seal} x/seal 23")),
        ("manifest v1".to_owned(), "sha256:aa x/y 4".to_owned()),
        ("manifest v9".to_owned(), "failure: Failure::NotFound".to_owned()),
        ("blob sha256:cc 6".to_owned(), "a text".to_owned()),
        ("blob sha256:cc 5".to_owned(), "failure: Failure::TooLarge(6)".to_owned()),
        ("blob sha256:dd 9".to_owned(), "\u{fffd}\0\u{fffd}".to_owned()),
        ("blob sha256:ee 9".to_owned(), "failure: Failure::NotFound".to_owned()),
    ] {
        let (question, answer) = (serde_json::json!(question), serde_json::json!(answer));
        cases += &asks(&question.to_string(), "", &format!("{{deny: {{message: {answer}}}}}"));
    }
    // What no registry lacks is to be given; and there is no other tree.
    cases += &asks("usage team/app", "", "{fails: 'give it one, as `facts: {usage: {\"team/app\": {bytes: 0}}}'}");
    cases += &asks("usage victim", "", "{fails: guard tree}");
    cases += &asks("manifest v3", "", "{fails: 'manifests: {\"v3\": '}");
    cases += &asks("adds", "facts: {adds: {bytes: 3}}, ", "{deny: {message: {contains: bytes=3 blobs=0 manifests=0}}}");
    cases += &asks(
        "adds",
        "facts: {manifests: {'sha256:ff': x}}, ",
        "{deny: {message: {contains: bytes=0 blobs=0 manifests=0}}}",
    );
    cases += &asks("usage team", "facts: {fails: busy}, ", "{deny: {message: 'failure: Failure::Busy'}}");
    cases += &asks("tags  9", "facts: , ", "{deny: {message: ' more=false'}}");
    // Nothing of it holds where there is no event.
    cases += "- {check: , expect: {ok: []}}\n";
    let file = directory.path().join("cases.yaml");
    fs::write(&file, cases).unwrap();
    let (code, said) = test(&curious().display().to_string(), &file);
    assert!(code == 0 && said.ends_with("23 as expected, 0 not\n"), "{said}");
}

/// A case that has the policy `curious` ask something.
fn asks(question: &str, facts: &str, expect: &str) -> String {
    let push = format!("digest: 'sha256:ff', size: 40, annotations: [[ask, {question}]]");
    let event = format!("repository: team/app, action: {{manifest-push: {{{push}}}}}");
    format!("- {{{facts}admit: {{event: {{{event}}}}}, expect: {expect}}}\n")
}

#[test]
fn facts_that_are_wrong_say_where() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cases.yaml");
    fs::File::create(directory.path().join("large")).unwrap().set_len((4 << 20) + 1).unwrap();
    let full = format!("sha256:{}", "0".repeat(64));
    for (facts, says) in [
        ("1".to_owned(), "case 1: `facts` is to be a section of `usage`, `adds`"),
        ("{use: 1}".to_owned(), "there is no `facts.use`: `facts` has `usage`"),
        ("{usage: {team: 5}}".to_owned(), "`facts.usage.team` is to be a section of `bytes`"),
        ("{usage: {team: {byte: 5}}}".to_owned(), "there is no `facts.usage.team.byte`: "),
        ("{usage: {team: {bytes: much}}}".to_owned(), "`facts.usage.team.bytes` is to be a whole number"),
        ("{tags: [v1]}".to_owned(), "`facts.tags` is to have names"),
        ("{tags: {v1: 1}}".to_owned(), "`facts.tags.v1` is to be a text: put it in quotes"),
        ("{tags: {v1: 'sha256:aa'}, manifests: {v1: x}}".to_owned(), "`facts.tags.v1` is sha256:"),
        ("{referrers: {'sha256:aa': [{size: 1}]}}".to_owned(), "`facts.referrers.sha256:aa[0]` has no `digest`"),
        (format!("{{manifests: {{'{full}': x}}}}"), "has another content: its digest is sha256:2d711642"),
        ("{manifests: {v1: {media-type: x}}}".to_owned(), "`facts.manifests.v1` has no `content`"),
        ("{manifests: {v1: {content: {file: none}}}}".to_owned(), "none cannot be read: "),
        ("{manifests: {v1: {content: {file: large}}}}".to_owned(), "large is larger than 4194304 bytes"),
        ("{blobs: {v1: x}}".to_owned(), "`facts.blobs.v1` is to be named by its digest: sha256:2d711642"),
        ("{fails: often}".to_owned(), "`facts.fails` is to be one of `not-found`, `busy`"),
    ] {
        fs::write(&file, format!("cases: [{{facts: {facts}, check: , expect: {{ok: []}}}}]")).unwrap();
        let (code, said) = test("quota", &file);
        assert!(code == 1 && said.contains(says), "{facts}: {said}");
    }
}

/// With a signature as cosign left it.
#[test]
fn a_signature_is_a_fact() {
    let directory = tempfile::tempdir().unwrap();
    let fixture = Fixture::read("cosign-bundle-p256");
    let (image, digest) = fixture.find(false);
    let mut blobs = serde_json::Map::new();
    for (n, blob) in fixture.blobs.iter().enumerate() {
        let blob = BASE64_STANDARD.decode(blob).unwrap();
        fs::write(directory.path().join(n.to_string()), &blob).unwrap();
        blobs.insert(sha256(&blob), json!({"content": {"file": n.to_string()}}));
    }
    let signs = |text: &&String| text.contains("\"subject\"") && text.contains(&digest);
    let signature = fixture.manifests.iter().find(signs).unwrap();
    let kind = serde_json::from_str::<serde_json::Value>(signature).unwrap()["artifactType"].clone();
    let facts = json!({
        "referrers": {&digest: [{"digest": sha256(signature), "artifact-type": kind}]},
        "manifests": {sha256(signature): signature},
        "blobs": blobs,
    });
    let pull = json!({"event": {"repository": "team/app", "action": {"pull": {"digest": digest, "content": image}}}});
    let file = directory.path().join("cases.yaml");
    // JSON is YAML.
    let cases = json!({
        "settings": {"repositories": ["team/**"], "keys": ["key.pem"]},
        "files": {"key.pem": fixture.key},
        "cases": [
            {"name": "signed", "facts": facts, "admit": pull, "expect": "allow"},
            {"name": "not signed", "admit": pull, "expect": {"deny": {"message": {"contains": "no trusted signature"}}}},
            {
                "name": "by somebody else", "facts": facts, "admit": pull,
                "files": {"key.pem": Fixture::read("cosign-tag-p384").key},
                "expect": {"deny": {"message": {"contains": "not made by a trusted key"}}},
            },
        ],
    });
    fs::write(&file, cases.to_string()).unwrap();
    let (code, said) = test("require-signature", &file);
    assert!(code == 0 && said.ends_with("3 as expected, 0 not\n"), "{said}");
}

#[test]
fn a_policy_may_let_go_only_of_tags_that_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cases.yaml");
    let tags = "tags: [{tag: v1}, {tag: v2}]";
    fs::write(
        &file,
        format!(
            "cases:\n- {{retain: {{repository: keeps, {tags}}}, expect: {{ok: []}}}}\n\
             - {{retain: {{repository: old, {tags}}}, expect: {{ok: [{{tag: v1}}]}}}}\n\
             - {{retain: {{repository: strangers, {tags}}}, expect: {{fails: guard departure}}}}\n\
             - {{retain: {{repository: error, {tags}}}, expect: error}}\n\
             - {{retain: {{repository: trap, {tags}}}, expect: {{fails: guard trap}}}}\n\
             - {{concerns: , expect: []}}\n"
        ),
    )
    .unwrap();
    let (code, said) = test(&sweeper().display().to_string(), &file);
    assert!(code == 0 && said.ends_with("6 as expected, 0 not\n"), "{said}");
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
- {name: called, challenges: {accesses: [{repository: called}], authority: "r:5"}, expect: [{parameters: [[realm, 'the "realm"'], [authority, "r:5"]]}]}
- {name: split, challenges: {accesses: [{repository: split-challenge}]}, expect: {fails: guard challenge}}
"#,
    )
    .unwrap();
    let (code, said) = test(&module, &cases);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("13 as expected, 0 not") && said.contains(" instructions") && said.contains(" ms "),
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

    // What it is asked about, once it can work.
    assert!(ended.out.contains("asked     who clients are, by anything, and what they may do\n"), "{}", ended.out);
    let ended = check("access", "{rules: []}");
    assert!(ended.out.contains("asked     what clients may do, and never who they are\n"), "{}", ended.out);
    let gate = gate().display().to_string();
    for (concerns, code, says) in [
        ("[tag-move, pull]", 0, "asked     about tag-move, pull"),
        ("[]", 0, "asked     about nothing: it would never be asked"),
        // However often it says so.
        ("[flood]", 0, "asked     about pull\n"),
        ("[trap]", 1, "asked     it fails to say what it is about, and would be refused: "),
    ] {
        let ended = check(&gate, &format!("{{concerns: {concerns}}}"));
        assert!(ended.code == code && ended.out.contains(says), "{ended:?}");
    }
    let ended = check("retention", "{rules: [{repositories: [team], keep_last: 1}]}");
    assert!(ended.code == 0 && ended.out.contains("asked     about which tags are kept"), "{ended:?}");
    assert!(ended.out.contains("skerry:registry/retention-policy@0.1.0, "), "{ended:?}");
    let ended = check("quota", "{rules: []}");
    assert!(ended.code == 1 && !ended.out.contains("  asked "), "{ended:?}");

    // One of before the world had all of its functions.
    let text = "package skerry:registry@0.1.0; interface auth { check: func() -> list<string>; } \
                world auth-policy { export auth; }";
    let old = directory.path().join("old.wasm");
    fs::write(&old, stranger(text, "auth-policy")).unwrap();
    let ended = check(&old.display().to_string(), "{}");
    let lacks = "instance export `skerry:registry/auth@0.1.0` does not have export `";
    assert!(
        ended.code == 1 && ended.err.contains("which is what this host offers: ") && ended.err.contains(lacks),
        "{ended:?}"
    );

    // One that cannot work with what it has.
    let ended = check("immutable-tags", "{tags: []}");
    assert!(
        ended.code == 1 && ended.out.contains("check     it cannot work: settings: `tags` is an empty list"),
        "{ended:?}"
    );
    let ended = called("skerry", &["guest", "check", "/no/such.wasm"]);
    assert!(ended.code == 1 && ended.err.contains("/no/such.wasm cannot be read"), "{ended:?}");
    // One that has nothing.
    let ended = called("skerry", &["guest", "check", "quota"]);
    assert!(ended.code == 0 && ended.out.contains("a configuration may grant what it lacks (--config)"), "{ended:?}");
}
