//! How large a world the search explores, and the sizes that have a name.

/// The bounds of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its name on a command line.
    pub name: &'static str,
    /// One writer for each, with this window.
    pub windows: &'static [u32],
    /// Entries appended by all writers together.
    pub entries: u8,
    /// Hedges and unanswered puts.
    pub retries: u8,
    /// How often so much time passes that proofs grow old and trimmed numbers may be deleted.
    pub graces: u8,
    /// Whether a tailing reader takes part.
    pub reader: bool,
    /// Garbage collection deletes numbers one by one in any order, not all at once.
    pub any_order: bool,
    /// Each winner of the write-ahead journal goes on to fence the manifest.
    pub two_journals: bool,
    /// Optimistic writers of a journal without fences, instead of leaders.
    pub shared: bool,
    /// Steps from the beginning.
    pub max_depth: u32,
    /// States after which the search gives up (about 100 bytes each stay, and about 1 KiB for each
    /// of the present depth).
    pub max_states: u64,
}

const BASE: Size = Size {
    name: "",
    windows: &[2, 2],
    entries: 2,
    retries: 0,
    graces: 0,
    reader: false,
    any_order: false,
    two_journals: false,
    shared: false,
    max_depth: u32::MAX,
    max_states: 100_000_000,
};

/// Quick sizes: each is explored to its end in seconds, and together they exhibit every history.
pub const QUICK: &[Size] = &[
    Size { name: "three-leaders", windows: &[2, 2, 2], entries: 4, ..BASE },
    Size { name: "mixed-windows", windows: &[3, 2], entries: 3, retries: 1, ..BASE },
    Size { name: "three-windows", windows: &[3, 2, 3], entries: 2, retries: 1, ..BASE },
    Size { name: "deletion", windows: &[2, 2], entries: 2, graces: 1, ..BASE },
    Size { name: "three-deletion", windows: &[2, 2, 2], entries: 1, graces: 1, ..BASE },
    Size { name: "reader", windows: &[2, 2], entries: 0, graces: 1, reader: true, ..BASE },
    Size { name: "two-journals", windows: &[2, 2, 2], entries: 0, two_journals: true, ..BASE },
    Size { name: "shared", windows: &[1, 1], entries: 3, retries: 1, graces: 1, shared: true, ..BASE },
    Size { name: "four-leaders", windows: &[2, 2, 2, 2], entries: 2, ..BASE },
];

/// Larger sizes: minutes and gigabytes. "everything" is for random walks: no machine explores it.
pub const LARGE: &[Size] = &[
    Size { name: "four-leaders-more", windows: &[2, 2, 2, 2], entries: 4, ..BASE },
    Size { name: "windows-3-2-3", windows: &[3, 2, 3], entries: 5, retries: 1, ..BASE },
    Size { name: "two-leaders-window-3", windows: &[3, 3], entries: 6, retries: 2, ..BASE },
    Size { name: "three-leaders-deletion", windows: &[2, 2, 2], entries: 2, graces: 1, ..BASE },
    Size { name: "any-order-deletion", windows: &[2, 2], entries: 3, retries: 1, graces: 1, any_order: true, ..BASE },
    Size { name: "reader-deletion", windows: &[2, 2], entries: 2, retries: 1, graces: 1, reader: true, ..BASE },
    Size { name: "two-graces", windows: &[2, 2], entries: 2, graces: 2, ..BASE },
    Size { name: "two-journals-retries", windows: &[2, 3, 2], entries: 1, retries: 1, two_journals: true, ..BASE },
    Size {
        name: "everything",
        windows: &[3, 2, 3, 2],
        entries: 12,
        retries: 6,
        graces: 3,
        reader: true,
        any_order: true,
        ..BASE
    },
    Size { name: "shared-three", windows: &[1, 1, 1], entries: 3, retries: 1, graces: 1, shared: true, ..BASE },
];

impl Size {
    /// The size of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|size| size.name == name)
    }

    /// All sizes that have a name.
    pub fn all() -> impl Iterator<Item = Self> {
        QUICK.iter().chain(LARGE).copied()
    }
}
