//! Counts of trees, in the background; who needs one waits for it.

use std::{sync::Arc, time::Duration};

use super::{
    super::bindings::types::Failure,
    ledger::{Begin, Count, Ended},
    tell::Teller,
};

/// Time that one count may take.
const LONGEST: Duration = Duration::from_secs(3600);

impl Teller {
    /// Has a tree counted, if nobody does.
    pub fn recount(self: &Arc<Self>, tree: &str) {
        if let Begin::Count(count) = self.ledger.begin(tree, self.ledger.now()) {
            self.spawn(count);
        }
    }

    /// Waits until a tree was counted, by a count that began after that time.
    pub async fn counted(self: &Arc<Self>, tree: &str, after: u64, patience: Duration) -> Result<(), Failure> {
        let counted = async {
            loop {
                match self.ledger.begin(tree, after) {
                    Begin::Done => return Ok(()),
                    Begin::Later(pause) => tokio::time::sleep(pause).await,
                    Begin::Wait(ended) => over(ended).await?,
                    Begin::Count(count) => {
                        let ended = count.ended();
                        self.spawn(count);
                        over(ended).await?;
                    }
                }
            }
        };
        tokio::time::timeout(patience, counted).await.unwrap_or(Err(Failure::Busy))
    }

    /// In a task of its own: whoever waits may go away.
    fn spawn(self: &Arc<Self>, count: Count) {
        let teller = Arc::clone(self);
        tokio::spawn(async move {
            let counting = async {
                let _turn = teller.counts.acquire().await.map_err(|_| Failure::Interrupted)?;
                teller.count(&count.tree).await
            };
            let counted = tokio::time::timeout(LONGEST, counting).await.unwrap_or(Err(Failure::Busy));
            if let Err(failure) = &counted {
                tracing::warn!(tree = count.tree, "a tree of repositories could not be counted: {failure}");
            }
            count.end(counted);
        });
    }
}

async fn over(mut ended: Ended) -> Result<(), Failure> {
    let _ = ended.changed().await;
    ended.borrow().clone().map_or(Ok(()), Err)
}
