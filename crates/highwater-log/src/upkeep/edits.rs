//! Whether the manifest in memory is the one in the bucket.
//!
//! An edit changes the manifest in memory when its put begins. Should it fail, the next leader goes on
//! from the manifest as it was, and refers to what the edit would have left behind.

use highwater_store::BucketTime;

/// The edits of one leader.
#[derive(Debug, Default)]
pub struct Edits {
    under_way: bool,
    /// The bucket's date of the last commit.
    last: Option<BucketTime>,
}

impl Edits {
    /// A leader begins, with an edit that was committed then.
    pub fn lead(&mut self, committed: BucketTime) {
        *self = Self { under_way: false, last: Some(committed) };
    }

    /// Before the manifest in memory changes.
    pub fn begin(&mut self) {
        self.under_way = true;
    }

    /// The edit is durable. (Whoever never hears of it does not call this.)
    pub fn committed(&mut self, at: BucketTime) {
        self.under_way = false;
        self.last = Some(at);
    }

    /// When the manifest in memory was committed, if it is durable as it stands, but for segments that
    /// came since.
    pub fn settled(&self) -> Option<BucketTime> {
        self.last.filter(|_| !self.under_way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_under_way_is_not_believed() {
        let mut edits = Edits::default();
        assert_eq!(edits.settled(), None, "nobody leads");
        edits.lead(BucketTime(5));
        assert_eq!(edits.settled(), Some(BucketTime(5)));
        edits.begin();
        assert_eq!(edits.settled(), None);
        edits.committed(BucketTime(9));
        assert_eq!(edits.settled(), Some(BucketTime(9)));
        edits.begin();
        edits.lead(BucketTime(20));
        assert_eq!(edits.settled(), Some(BucketTime(20)), "another leadership");
    }
}
