//! Everything that the sink has received, in bounded memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use super::behaviour::kind_of;
use super::endpoint::{Arrival, Endpoint, Room};
use super::report::{Received, SinkReport};

/// The most paths that are played; what comes to others is not.
pub const PATHS_MAX: usize = 1_000;
/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 256;
/// The most webhook-ids that are known again, over all paths.
pub const IDS_KEPT_MAX: usize = 5_000_000;
/// The most conversations whose order is judged, over all paths.
pub const CONVERSATIONS_KEPT_MAX: usize = 2_000_000;
/// The most of a body that is kept, in bytes.
pub const BODY_KEPT_BYTES_MAX: usize = 16 * 1024;
/// The longest webhook-id that is read, in bytes; a longer one counts as absent.
pub const ID_BYTES_MAX: usize = 256;

/// All paths and the latest requests.
#[derive(Debug)]
pub struct Book {
    pages: Mutex<Pages>,
    requests_kept: usize,
}

#[derive(Debug)]
struct Pages {
    endpoints: HashMap<Arc<str>, Endpoint>,
    room: Room,
    latest: VecDeque<Received>,
    connections: u64,
    unplayable: u64,
    /// Counts resets: a request that is from before one changes nothing behind it.
    reset: u64,
}

impl Pages {
    fn new(reset: u64) -> Self {
        Self {
            endpoints: HashMap::new(),
            room: Room {
                ids: IDS_KEPT_MAX,
                conversations: CONVERSATIONS_KEPT_MAX,
            },
            latest: VecDeque::new(),
            connections: 0,
            unplayable: 0,
            reset,
        }
    }
}

impl Book {
    /// An empty book that keeps this many of the latest requests.
    pub fn new(requests_kept: usize) -> Self {
        Self {
            pages: Mutex::new(Pages::new(0)),
            requests_kept,
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().expect("no holder of the pages panics")
    }

    /// Counts a connection.
    pub fn connect(&self) {
        self.pages().connections += 1;
    }

    /// Counts a request that nothing plays.
    pub fn pass_over(&self) {
        self.pages().unplayable += 1;
    }

    /// Whether the latest requests are kept at all.
    pub fn keeps_requests(&self) -> bool {
        self.requests_kept > 0
    }

    /// Keeps one of the latest requests; the oldest makes room.
    pub fn keep(&self, received: Received) {
        let mut pages = self.pages();
        if pages.latest.len() >= self.requests_kept {
            pages.latest.pop_front();
        }
        pages.latest.push_back(received);
    }

    /// Counts a request; `None` when there are too many paths.
    pub fn arrive(self: &Arc<Self>, path: &str, arrival: &Arrival<'_>) -> Option<Visit> {
        let mut pages = self.pages();
        let Pages {
            endpoints,
            room,
            reset,
            ..
        } = &mut *pages;
        let path = match endpoints.get_key_value(path) {
            Some((path, _)) => Arc::clone(path),
            None if endpoints.len() >= PATHS_MAX || path.len() > PATH_BYTES_MAX => return None,
            None => Arc::from(path),
        };
        let endpoint = endpoints.entry(Arc::clone(&path)).or_default();
        Some(Visit {
            nth: endpoint.arrive(arrival, room),
            reset: *reset,
            book: Arc::clone(self),
            path,
            id: arrival.id.map(Box::from),
            succeeded: false,
        })
    }

    /// Forgets everything.
    pub fn reset(&self) {
        let mut pages = self.pages();
        *pages = Pages::new(pages.reset + 1);
    }

    /// The webhook-ids that came to a path, sorted.
    pub fn ids(&self, path: &str) -> Vec<String> {
        let pages = self.pages();
        let endpoint = pages.endpoints.get(path);
        let mut ids: Vec<_> = endpoint
            .into_iter()
            .flat_map(Endpoint::ids)
            .map(str::to_owned)
            .collect();
        drop(pages);
        ids.sort_unstable();
        ids
    }

    /// The latest requests, oldest first: all, or those that came to one path.
    pub fn latest(&self, path: Option<&str>) -> Vec<Received> {
        let pages = self.pages();
        let wanted = |received: &&Received| path.is_none_or(|path| path == received.path);
        pages.latest.iter().filter(wanted).cloned().collect()
    }

    /// The figures.
    pub fn report(&self) -> SinkReport {
        let pages = self.pages();
        let mut kinds: BTreeMap<&str, Endpoint> = BTreeMap::new();
        for (path, endpoint) in &pages.endpoints {
            kinds
                .entry(kind_of(path))
                .or_default()
                .add_figures(endpoint);
        }
        let paths = pages.endpoints.iter();
        SinkReport {
            connections: pages.connections,
            unplayable: pages.unplayable,
            paths: paths
                .map(|(path, endpoint)| (path.to_string(), endpoint.report()))
                .collect(),
            kinds: kinds
                .into_iter()
                .map(|(kind, sum)| (kind.to_owned(), sum.report()))
                .collect(),
        }
    }
}

/// A request that is here, until its sender has an answer or is gone.
#[derive(Debug)]
pub struct Visit {
    /// The how manieth request of its webhook-id it is, from 1.
    pub nth: u32,
    /// Whether it was answered with 2xx.
    pub succeeded: bool,
    reset: u64,
    book: Arc<Book>,
    path: Arc<str>,
    id: Option<Box<str>>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut pages = self.book.pages();
        if pages.reset == self.reset
            && let Some(endpoint) = pages.endpoints.get_mut(&self.path)
        {
            endpoint.leave(self.id.as_deref(), self.succeeded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Arrival<'_> = Arrival {
        id: Some("evt_1"),
        seal: None,
        payload: None,
        body_bytes: 2,
        at_us: 5,
    };

    #[test]
    fn paths_of_one_behaviour_are_summed_up() {
        let book = Arc::new(Book::new(0));
        for path in ["/ok/1", "/ok/2", "/gone"] {
            drop(book.arrive(path, &ARRIVAL));
        }
        let report = book.report();
        assert_eq!(report.paths["/ok/1"].counts.requests, 1);
        assert_eq!(report.kinds["ok"].counts.requests, 2);
        assert_eq!(report.kinds["gone"].counts.body_bytes, 2);
    }

    #[test]
    fn a_request_from_before_a_reset_changes_nothing_behind_it() {
        let book = Arc::new(Book::new(0));
        let mut before = book.arrive("/ok", &ARRIVAL).unwrap();
        book.reset();
        let after = book.arrive("/ok", &ARRIVAL).unwrap();
        assert_eq!(after.nth, 1);
        before.succeeded = true;
        drop(before);
        assert_eq!(book.report().paths["/ok"].counts.succeeded, 0);
    }

    #[test]
    fn paths_beyond_the_bound_are_not_taken() {
        let book = Arc::new(Book::new(0));
        for nth in 0..PATHS_MAX {
            assert!(book.arrive(&format!("/ok/{nth}"), &ARRIVAL).is_some());
        }
        assert!(book.arrive("/ok/one-more", &ARRIVAL).is_none());
        assert!(book.arrive("/ok/0", &ARRIVAL).is_some());
    }
}
