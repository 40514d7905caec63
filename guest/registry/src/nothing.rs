//! A host on which nothing is stored: what a client sees of a repository that
//! is hidden from it. It is answered by the same code as one that is not
//! there, so the two answers cannot differ.

use crate::host::{
    Access, Admission, Ambient, Body, Change, Concern, Event, Expectation, Failure, Host, Intent, Listing, Metadata,
    Request, Ruling, Settings, Storage, Upload, Uploads, Verdict,
};

/// The host without its storage.
pub struct Nothing<'a>(pub &'a dyn Host);

impl Storage for Nothing<'_> {
    fn read(&self, _: &str, _: u64) -> Result<Vec<u8>, Failure> {
        Err(Failure::NotFound)
    }

    fn stat(&self, _: &str) -> Result<Metadata, Failure> {
        Err(Failure::NotFound)
    }

    fn page(&self, _: &str, _: Option<&str>, _: u32) -> Result<Listing, Failure> {
        Err(Failure::NotFound)
    }

    fn commit(&self, _: Vec<Expectation>, _: Vec<Change>) -> Result<(), Failure> {
        Err(Failure::NotFound)
    }
}

impl Uploads for Nothing<'_> {
    fn create(&self, _: &str, _: Vec<(String, Vec<u8>)>) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::NotFound)
    }

    fn temporary(&self) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::NotFound)
    }

    fn resume(&self, _: &str) -> Result<Box<dyn Upload>, Failure> {
        Err(Failure::NotFound)
    }
}

impl Request for Nothing<'_> {
    fn method(&self) -> String {
        self.0.method()
    }

    fn path(&self) -> String {
        self.0.path()
    }

    fn query(&self, name: &str) -> Vec<String> {
        self.0.query(name)
    }

    fn header(&self, name: &str) -> Vec<String> {
        self.0.header(name)
    }
}

impl Body for Nothing<'_> {
    fn body_length(&self) -> Option<u64> {
        self.0.body_length()
    }

    fn read_body(&self, limit: u64) -> Result<Vec<u8>, Failure> {
        self.0.read_body(limit)
    }
}

impl Settings for Nothing<'_> {
    fn value(&self, path: &str) -> Option<String> {
        self.0.value(path)
    }
}

impl Access for Nothing<'_> {
    fn authorize(&self, intents: &[Intent<'_>]) -> Verdict {
        self.0.authorize(intents)
    }

    fn may_pull(&self, repositories: &[String]) -> Vec<bool> {
        self.0.may_pull(repositories)
    }

    fn principal(&self) -> Option<String> {
        self.0.principal()
    }
}

impl Admission for Nothing<'_> {
    fn wanted(&self, concern: Concern) -> bool {
        self.0.wanted(concern)
    }

    fn admit(&self, event: Event) -> Ruling {
        self.0.admit(event)
    }
}

impl Ambient for Nothing<'_> {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn random(&self) -> [u8; 16] {
        self.0.random()
    }
}
