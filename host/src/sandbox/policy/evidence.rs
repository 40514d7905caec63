//! By what an auth policy may know who a client is.

use super::super::bindings::auth::{Client, Credential, Evidence as Kind};

/// Kinds of evidence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence(u8);

impl Evidence {
    /// Whether the client shows any of it.
    pub fn is_shown(self, client: &Client) -> bool {
        let credential = match &client.credential {
            Credential::None => bit(Kind::Nothing),
            Credential::Basic(_) => bit(Kind::Basic),
            Credential::Bearer(_) => bit(Kind::Bearer),
            Credential::Unknown => 0,
        };
        let certificate = client.certificate.as_ref().map_or(0, |_| bit(Kind::Certificate));
        self.0 & (bit(Kind::Anything) | credential | certificate) != 0
    }
}

impl FromIterator<Kind> for Evidence {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |all, kind| all | bit(kind)))
    }
}

const fn bit(kind: Kind) -> u8 {
    1 << kind as u8
}

#[cfg(test)]
mod tests {
    use super::{super::super::bindings::auth::Certificate, *};

    #[test]
    fn a_policy_is_asked_of_who_shows_what_it_knows_by() {
        let certificate = Certificate {
            subject: "CN=ann".into(),
            dns_names: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
            sha256: String::new(),
        };
        let client = |credential, certified: bool| Client {
            credential,
            address: "10.0.0.1".into(),
            certificate: certified.then(|| certificate.clone()),
        };
        let pair = || ("ann".to_owned(), "secret".to_owned());
        let clients = [
            client(Credential::None, false),
            client(Credential::Basic(pair()), false),
            client(Credential::Bearer("token".into()), false),
            client(Credential::Unknown, false),
            client(Credential::None, true),
            client(Credential::Basic(pair()), true),
            client(Credential::Unknown, true),
        ];
        for (kinds, expected) in [
            (&[][..], [false; 7]),
            (&[Kind::Anything], [true; 7]),
            (&[Kind::Nothing], [true, false, false, false, true, false, false]),
            (&[Kind::Basic, Kind::Basic], [false, true, false, false, false, true, false]),
            (&[Kind::Bearer], [false, false, true, false, false, false, false]),
            (&[Kind::Certificate], [false, false, false, false, true, true, true]),
            (&[Kind::Nothing, Kind::Bearer], [true, false, true, false, true, false, false]),
        ] {
            let evidence: Evidence = kinds.iter().copied().collect();
            let asked: Vec<bool> = clients.iter().map(|client| evidence.is_shown(client)).collect();
            assert_eq!(asked, expected, "{kinds:?}");
        }
    }
}
