//! What policies say of their settings and files before any request.

use std::fs;

use skerry_tests::{Options, Registry};

use super::host::Host;

/// Apache's, of the kind that is not taken.
const MD5: &str = "old:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/";
/// Apache's, of the kind that is.
const BCRYPT: &str = "joe:$2y$05$vBkzEJPBaLRssWMfk1IWbe/CpPF1SVt/gIj1RkSchOXDIuF/5EOZa";

#[test]
fn files_that_cannot_be_used_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("broken", "joe\n"), ("bundle", "no certificate in here\n"), ("rubbish", "{}"), ("empty", r#"{"keys": []}"#)]
    {
        fs::write(directory.path().join(name), text).unwrap();
    }
    for (module, settings, says) in [
        ("htpasswd", "{realm: r, file: none}", r#"the file \"none\" is not there, or was not granted"#),
        ("htpasswd", "{realm: r, file: broken}", "broken: line 1 is not `user:hash`"),
        ("token", "{realm: 'https://a', service: b, issuer: c}", "there is no key to trust"),
        ("token", "{realm: 'https://a', service: b, issuer: c, rootcertbundle: bundle}", "there is no key to trust"),
        ("token", "{realm: 'https://a', service: b, issuer: c, jwks: rubbish}", "rubbish: missing field `keys`"),
        ("token", "{realm: 'https://a', service: b, issuer: c, jwks: empty}", "there is no key to trust"),
    ] {
        let directory = directory.path().display();
        let more = format!("policies:\n- module: {module}\n  directory: {directory}\n  settings: {settings}\n");
        let said = Registry::refused(Options { more, ..Options::default() });
        assert!(said.contains(&format!("the policy {module}")) && said.contains(says), "{module} {settings}: {said}");
    }
}

#[test]
fn what_a_policy_warns_of_is_in_the_log() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("users"), format!("{MD5}\n{BCRYPT}\n")).unwrap();
    let mut host = Host::start(&format!(
        "policies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: r, file: users}}\n- module: access\n  settings: {{rules: []}}\n",
        directory.path().display()
    ));
    host.logged(&["\"level\":\"warning\"", "\"policy\":\"htpasswd\"", "is never let in", "MD5"]);
    host.logged(&["\"level\":\"warning\"", "\"policy\":\"access\"", "there are no rules: nobody may do anything"]);
    // Let in, which nobody has to be allowed, and no further.
    host.nobody().user("joe", "secret").get("/v2/").expect(200);
    host.nobody().user("joe", "secret").get("/v2/app/tags/list").expect(403);
    host.nobody().user("old", "myPassword").get("/v2/").expect(401);
    assert!(!host.log_holds("HqJZimcKQFAMYayBlzkrA"), "a hash is in the log");
}
