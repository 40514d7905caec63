//! What a policy may leave out, and what becomes of wrong settings.
#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use skerry_sdk::{
    Access, Action, AuthPolicy, Client, Concern, Credential, Decision, Departure, Event, Evidence, Failed, Happening,
    Host, Identity, Manifest, Principal, Refusal, Retention, RetentionPolicy, Ruling, StoragePolicy, TagFacts, admit,
    authenticate, authorize, challenges, check_auth, check_storage, concerns, knows_by, memory::Memory, retain,
};

/// Knows nothing and says nothing.
struct Silent;

impl AuthPolicy for Silent {
    type Settings = ();

    fn new((): ()) -> Result<Self, Failed> {
        Ok(Self)
    }
}

/// Lets one user in, by a secret, until a time that a file names.
struct Until(Settings);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    user: String,
    #[serde(default = "until")]
    file: String,
}

fn until() -> String {
    "until".to_owned()
}

impl AuthPolicy for Until {
    type Settings = Settings;

    fn knows_by(&self) -> Vec<Evidence> {
        vec![Evidence::Basic]
    }

    fn new(settings: Settings) -> Result<Self, Failed> {
        if settings.user.is_empty() { Err("`user` is empty".into()) } else { Ok(Self(settings)) }
    }

    fn authenticate(&self, host: &dyn Host, client: &Client, _: &[Access]) -> Result<Identity, Failed> {
        let text = String::from_utf8(host.read(&self.0.file, 20)?).map_err(|_| "no text")?;
        let end: u64 = text.trim().parse().map_err(|_| format!("{text:?} is no time"))?;
        let secret = host.secret("password").ok_or("the secret `password` is not granted")?;
        let Credential::Basic(user, password) = &client.credential else { return Ok(Identity::Pass) };
        if *user != self.0.user || *password != secret || host.now().as_secs() > end {
            host.log("refused");
            return Ok(Identity::Challenge);
        }
        Ok(Identity::Known(Principal::named(user), None))
    }
}

impl StoragePolicy for Silent {
    type Settings = ();

    fn new((): ()) -> Result<Self, Failed> {
        Ok(Self)
    }

    fn admit(&self, _: &dyn Host, principal: Option<&Principal>, _: &Event) -> Result<Ruling, Failed> {
        Ok(principal.map_or_else(|| Ruling::deny("who are you?"), |_| Ruling::allow()))
    }
}

impl RetentionPolicy for Silent {
    fn retain(&self, host: &dyn Host, question: &Retention) -> Result<Vec<Departure>, Failed> {
        host.log(&question.repository);
        let old = question.tags.iter().filter(|facts| facts.updated < question.recorded_since);
        Ok(old.map(|facts| Departure { tag: facts.tag.clone(), reason: "old".into() }).collect())
    }
}

#[test]
fn a_retention_policy_is_a_storage_policy_too() {
    let host = Memory::default();
    let facts = |tag: &str, updated| TagFacts { tag: tag.into(), updated, ..TagFacts::default() };
    let tags = vec![facts("a", 1), facts("b", 3)];
    let question = Retention { repository: "r".into(), tags, now: 4, recorded_since: 2 };
    let gone = Departure { tag: "a".into(), reason: "old".into() };
    assert_eq!(retain::<Silent>(&host, &question), Ok(vec![gone]));
    assert_eq!(host.take_log(), ["r"]);
    assert_eq!(check_storage::<Silent>(&host), Ok(vec![]));
    assert!(retain::<Silent>(&Memory::new("{}"), &question).is_err(), "settings are read each time");
}

#[test]
fn what_is_left_out_is_no_opinion() {
    let host = Memory::default();
    let pull = [Access { repository: Some("a".into()), action: Action::Pull, reference: None }];
    assert_eq!(check_auth::<Silent>(&host), Ok(vec![]));
    assert_eq!(knows_by::<Silent>(&host), Ok(vec![Evidence::Anything]));
    assert_eq!(authenticate::<Silent>(&host, &Client::default(), &pull), Ok(Identity::Pass));
    assert_eq!(authorize::<Silent>(&host, None, &Client::default(), &pull), Ok(Decision::pass()));
    assert_eq!(challenges::<Silent>(&host, &Client::default(), &Refusal::default()), Ok(vec![]));
    assert_eq!(check_storage::<Silent>(&host), Ok(vec![]));
    assert_eq!(concerns::<Silent>(&host), Ok(Concern::CHANGES.to_vec()));
    let event = Event { repository: "a".into(), action: Happening::UploadStart(None) };
    assert_eq!(admit::<Silent>(&host, Some(&Principal::named("ann")), &event), Ok(Ruling::allow()));
    assert_eq!(admit::<Silent>(&host, None, &event), Ok(Ruling::deny("who are you?")));
    // It has not said that it is about that.
    let pull = Event { repository: "a".into(), action: Happening::Pull(Manifest::default()) };
    assert_eq!(admit::<Silent>(&host, None, &pull), Ok(Ruling::allow()));
}

#[test]
fn files_secrets_time_and_log() {
    let client = Client { credential: Credential::Basic("ann".into(), "secret".into()), ..Client::default() };
    let host = || Memory::new(r#"{"user": "ann"}"#);
    let ask = |host: &Memory| authenticate::<Until>(host, &client, &[]);
    let whole = host().with_secret("password", "secret").with_file("until", "100\n");
    whole.set_now(100);
    assert_eq!(ask(&whole), Ok(Identity::Known(Principal::named("ann"), None)));
    assert!(whole.take_log().is_empty());
    // Not asked of who shows something else.
    assert_eq!(authenticate::<Until>(&whole, &Client::default(), &[]), Ok(Identity::Pass));
    whole.set_now(101);
    assert_eq!(ask(&whole), Ok(Identity::Challenge));
    assert_eq!((whole.take_log(), whole.take_log()), (vec!["refused".to_owned()], vec![]));
    whole.put("until", "200");
    assert!(matches!(ask(&whole), Ok(Identity::Known(..))));
    whole.put("until", "2".repeat(21));
    for (host, says) in [
        (whole, "the file \"until\" is too large"),
        (host(), "the file \"until\" is not there, or was not granted"),
        (host().with_file("until", "1"), "the secret `password` is not granted"),
        (host().with_file("until", "x"), "\"x\" is no time"),
        (Memory::new(r#"{"user": ""}"#), "`user` is empty"),
        (Memory::new(r#"{"user": "ann", "fiel": "x"}"#), "settings: unknown field `fiel`, expected `user` or `file`"),
        (Memory::new(r#"{"user": 1}"#), "settings: invalid type: integer `1`, expected a string"),
        (Memory::default(), "settings: invalid type: null"),
    ] {
        assert_eq!(ask(&host).unwrap_err().to_string().split(", expected struct").next(), Some(says));
    }
}

#[test]
fn settings_by_path() {
    use skerry_sdk::Settings as _;
    let host = Memory::new(r#"{"a": {"b": [1, 2]}, "c": "d"}"#);
    assert_eq!(host.value("a.b").as_deref(), Some("[1,2]"));
    assert_eq!(host.value("c").as_deref(), Some("\"d\""));
    assert_eq!(host.value("").unwrap().len(), r#"{"a":{"b":[1,2]},"c":"d"}"#.len());
    assert_eq!((host.value("a.c"), host.value("x"), host.value("c.d")), (None, None, None));
}
