//! Every mail is tried until it ends, whatever fits into memory and however often the desk is made anew.

use std::collections::BTreeMap;

use didfarm_core::ids::AccountId;
use didfarm_core::mail::MailKind;
use didfarm_core::money::Micros;
use proptest::prelude::*;

use super::*;

const MINUTE_US: i64 = 60_000_000;

fn mail(id: u64) -> Arc<Mail> {
    Arc::new(Mail {
        id: MailId(id),
        account: AccountId(1),
        to: "ann@example.org".into(),
        kind: MailKind::WalletLow {
            balance: Micros::ZERO,
            threshold: Micros::new(1),
        },
    })
}

/// The records as far as mails go, kept as the store keeps them.
#[derive(Default)]
struct Stored {
    rows: BTreeMap<Place, WaitingMail>,
    ended: BTreeMap<MailId, AfterTry>,
}

impl Stored {
    fn queue(&mut self, mail: &Arc<Mail>, at: Timestamp) {
        let row = WaitingMail {
            mail: (**mail).clone(),
            queued_at: at,
            tries: 0,
            why: None,
        };
        self.rows.insert((at, mail.id), row);
    }

    /// Every try must find its mail where it was due: else it was tried twice from one place.
    fn tried(&mut self, tried: MailTry) {
        let mut row = self
            .rows
            .remove(&(tried.due, tried.mail))
            .expect("the mail waits where it was tried");
        row.tries += 1;
        match &tried.next {
            AfterTry::Later { due, .. } => {
                self.rows.insert((*due, tried.mail), row);
            }
            AfterTry::Sent | AfterTry::GivenUp { .. } => {
                assert!(self.ended.insert(tried.mail, tried.next).is_none());
            }
        }
    }

    fn page(&self, limit: usize) -> Vec<Waiting> {
        let rows = self.rows.iter().take(limit);
        rows.map(|((due, _), row)| Waiting::stored(*due, row.clone()))
            .collect()
    }
}

fn desk() -> Desk {
    let limits = DeskLimits {
        queue_max: 8,
        under_way_max: 3,
    };
    Desk::new(limits, FxHashSet::default())
}

#[derive(Debug, Clone)]
enum Step {
    Queue,
    /// News of a mail that was queued before come (again).
    Repeat(prop::sample::Index),
    AskPage,
    TakePage,
    /// The oldest try ends so.
    End(u8),
    Pass(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Queue),
        1 => any::<prop::sample::Index>().prop_map(Step::Repeat),
        3 => Just(Step::AskPage),
        3 => Just(Step::TakePage),
        6 => (0u8..3).prop_map(Step::End),
        2 => (0i64..20).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

struct Run {
    desk: Desk,
    stored: Stored,
    now: Timestamp,
    mails: usize,
    /// Mails of which news may come late: those that this desk knew, or that nobody tried.
    news: Vec<(Arc<Mail>, Timestamp)>,
    tries: VecDeque<Waiting>,
    page: Option<(Vec<Waiting>, usize, u64)>,
}

impl Run {
    fn step(&mut self, step: Step) {
        match step {
            Step::Queue => {
                let mail = mail(self.mails as u64 + 1);
                self.stored.queue(&mail, self.now);
                self.desk.take(Waiting::fresh(Arc::clone(&mail), self.now));
                self.news.push((mail, self.now));
                self.mails += 1;
            }
            Step::Repeat(index) if !self.news.is_empty() => {
                let (mail, at) = index.get(&self.news);
                self.desk.take(Waiting::fresh(Arc::clone(mail), *at));
            }
            Step::Repeat(_) => {}
            Step::AskPage => {
                if let Some(limit) = self.desk.ask_page() {
                    let total = self.stored.rows.len() as u64;
                    self.page = Some((self.stored.page(limit), limit, total));
                }
            }
            Step::TakePage => {
                if let Some((rows, limit, total)) = self.page.take() {
                    self.desk.load(rows, limit, total);
                }
            }
            Step::End(how) => self.end(how),
            Step::Pass(minutes) => self.now.0 += minutes * MINUTE_US,
            Step::Restart => {
                // What was under way is tried again; its end was not recorded.
                self.desk = desk();
                let rows = &self.stored.rows;
                self.news
                    .retain(|(mail, at)| rows.contains_key(&(*at, mail.id)));
                self.tries.clear();
                self.page = None;
            }
        }
        let started = self.desk.start_due(self.now);
        for waiting in &started {
            assert!(waiting.due <= self.now, "tried before it was due");
            let doubled = self.tries.iter().any(|one| one.mail.id == waiting.mail.id);
            assert!(!doubled, "tried twice at once");
        }
        self.tries.extend(started);
        assert!(self.tries.len() <= 3 && self.desk.queue.len() <= 8);
    }

    fn end(&mut self, how: u8) {
        let Some(waiting) = self.tries.pop_front() else {
            return;
        };
        let end = match how {
            0 => End::Sent,
            1 => End::Later("busy".into()),
            _ => End::Never("no".into()),
        };
        let tried = self.desk.ended(waiting, end, self.now);
        self.stored.tried(tried);
    }

    /// Lets everything end well.
    fn finish(&mut self) {
        for _ in 0..self.mails * 4 + 16 {
            for step in [Step::AskPage, Step::TakePage, Step::Pass(24 * 60)] {
                self.step(step);
            }
            for _ in 0..3 {
                self.step(Step::End(0));
            }
        }
    }
}

proptest! {
    #[test]
    fn every_mail_ends_once_with_little_memory_and_after_restarts(
        steps in prop::collection::vec(step(), 0..300)
    ) {
        let mut run = Run {
            desk: desk(),
            stored: Stored::default(),
            now: Timestamp(1_000_000),
            mails: 0,
            news: Vec::new(),
            tries: VecDeque::new(),
            page: None,
        };
        for step in steps {
            run.step(step);
        }
        run.finish();
        prop_assert!(run.stored.rows.is_empty(), "{} never ended", run.stored.rows.len());
        prop_assert_eq!(run.stored.ended.len(), run.mails);
        prop_assert_eq!((run.desk.waiting(), run.desk.horizon), (0, None));
    }
}

#[test]
fn a_mail_that_nobody_takes_is_tried_for_three_days_and_then_given_up() {
    let mut desk = desk();
    assert_eq!(desk.ask_page(), Some(8));
    desk.load(Vec::new(), 8, 0);
    let queued_at = Timestamp(5);
    desk.take(Waiting::fresh(mail(1), queued_at));
    let (mut now, mut tries) = (queued_at, 0);
    let last = loop {
        let [waiting] = desk.start_due(now).try_into().unwrap();
        assert_eq!(desk.waiting(), 1);
        tries += 1;
        let tried = desk.ended(waiting, End::Later("no route".into()), now);
        match tried.next {
            AfterTry::Later { due, .. } => {
                assert!(desk.start_due(Timestamp(due.0 - 1)).is_empty());
                now = due;
            }
            next => break next,
        }
    };
    let why = "no route".into();
    assert_eq!(last, AfterTry::GivenUp { why });
    assert_eq!((tries, desk.waiting()), (22, 0));
    assert!(now <= queued_at.plus_ms(retry::GIVE_UP_MS));
}

#[test]
fn a_fresh_mail_does_not_wait_behind_a_memory_full_of_later_ones() {
    let mut desk = desk();
    let limit = desk.ask_page().unwrap();
    let late = |id| Waiting {
        due: Timestamp(1_000),
        ..Waiting::fresh(mail(id), Timestamp(1))
    };
    desk.load((1..=8).map(late).collect(), limit, 20);
    desk.take(Waiting::fresh(mail(99), Timestamp(10)));
    let started = desk.start_due(Timestamp(10));
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].mail.id, MailId(99));
    assert_eq!(desk.waiting(), 21);
}
